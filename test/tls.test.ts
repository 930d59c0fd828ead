/** TLS, certificates of clients and API keys, by the profile file, with a server that has real certificates. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Authority, type Certificate } from './support/certificates.js';
import { AgentJobs } from '../src/client.js';
import { type Ending, cli } from './support/cli.js';
import { freePort } from './support/free-port.js';
import { ROOT, Site, until } from './support/site.js';
import { type TlsProxy, startTlsProxy } from './support/tls-proxy.js';
import { WorkerProcess } from './support/worker-process.js';

const NAME = 'temporal.test';
let site: Site;
let ca: Authority;
let otherCa: Authority;
let client: Certificate;
const proxies: TlsProxy[] = [];
const ended: ChildProcess[] = [];

before(async () => {
  site = await Site.open();
  ca = await Authority.make(join(site.folder, 'ca'));
  otherCa = await Authority.make(join(site.folder, 'other-ca'));
  client = await ca.sign('client');
});
after(async () => {
  WorkerProcess.killAll();
  for (const proxy of proxies) proxy.close();
  for (const server of ended) server.kill();
  await site.close();
});

async function proxy(certificate: Certificate, clientCa?: string): Promise<TlsProxy> {
  const started = await startTlsProxy(site.env.address, { certificate, clientCa });
  proxies.push(started);
  return started;
}

/** A server that says what it has against a client's certificate, as most do and Node's does not. */
async function openSslServer({ cert, key }: Certificate): Promise<{ port: number }> {
  const port = await freePort();
  const own = ['-accept', String(port), '-cert', cert, '-key', key, '-alpn', 'h2', '-quiet'];
  const clients = ['-CAfile', ca.cert, '-Verify', '1', '-verify_return_error'];
  const server = spawn('openssl', ['s_server', ...own, ...clients], { stdio: 'ignore' });
  ended.push(server);
  await until('it listens', () => listens(port));
  return { port };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** The environment of a process whose profile says how to reach the server. */
async function profileEnv(
  name: string,
  profile: Record<string, string | undefined>,
  tls?: Record<string, string | undefined>,
): Promise<NodeJS.ProcessEnv> {
  const lines = (table: string, values: object) => [
    `[${table}]`,
    ...Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
  ];
  const file = join(site.folder, `${name}.toml`);
  const text = [
    ...lines(`profile.${name}`, profile),
    ...(tls === undefined ? [] : lines(`profile.${name}.tls`, tls)),
  ];
  await writeFile(file, text.join('\n'));
  const { TEMPORAL_ADDRESS: _address, TEMPORAL_NAMESPACE: _namespace, ...env } = site.processEnv;
  return { ...env, TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: name };
}

const mutual = (more: Record<string, string | undefined> = {}) => ({
  server_ca_cert_path: ca.cert,
  server_name: NAME,
  client_cert_path: client.cert,
  client_key_path: client.key,
  ...more,
});

test('CLI and worker of a profile have certificates of their own, and bring its API key', async () => {
  const { port, authorizations } = await proxy(await ca.sign(NAME), ca.cert);
  const env = await profileEnv(
    'prod',
    { address: `127.0.0.1:${port}`, api_key: 'the-api-key' },
    mutual(),
  );
  const worker = await WorkerProcess.start(env, { cwd: site.folder });
  const { csv_path } = await site.spec({ a: [['report', 1]] });
  const agent = ['--', process.execPath, 'test/support/agent.mjs'];
  const { code, stderr } = await cli(['run', csv_path, '--instruction', '{steps}', ...agent], {
    env,
  });
  assert.equal(code, 0, stderr + worker.said);
  await worker.kill();
  // The client of commands, and the core of workers.
  assert.ok(authorizations.size >= 2, [...authorizations.keys()].join());
  for (const [who, values] of authorizations) {
    assert.deepEqual([...values], ['Bearer the-api-key'], who);
  }
});

test('an agent of a worker that has a certificate has none, and is not answered by Temporal', async () => {
  const { port } = await proxy(await ca.sign(NAME), ca.cert);
  const address = `127.0.0.1:${port}`;
  const env = await profileEnv('confined', { address }, mutual());
  const worker = await WorkerProcess.start(
    { ...env, AGENT_JOBS_TASK_QUEUE: 'confined' },
    { cwd: site.folder },
  );
  const jobs = new AgentJobs({
    ...{ client: site.client, store: site.storeFolder, taskQueue: 'confined' },
  });
  const tasks = { without: { address }, with: { address, ...client } };
  const job = await jobs.start({
    csv_path: await site.file(
      'confined.jsonl',
      Object.entries(tasks)
        .map(([id, task]) => `${JSON.stringify({ id, task: JSON.stringify(task) })}\n`)
        .join(''),
    ),
    ...{ instruction: '{task}', id_column: 'id' },
    // Even where the job asks for all of it to be passed.
    agent: {
      command: [process.execPath, join(ROOT, 'test/support/temporal-intruder.mjs')],
      pass_env: ['TEMPORAL_*'],
    },
  });
  await job.result();
  const results: Record<string, unknown> = {};
  for await (const { item_id, result } of job.itemResults()) results[item_id] = result;
  // The second one shows that it is the certificate that it lacks.
  assert.deepEqual(results, { without: 'refused', with: 'answered' });
  await worker.kill();
});

describe('what is wrong with a connection is said, with what to do', { concurrency: 2 }, () => {
  const refused = async (env: NodeJS.ProcessEnv, message: RegExp): Promise<void> => {
    const endings: Ending[] = await Promise.all([cli(['list'], { env }), cli(['worker'], { env })]);
    for (const { code, stderr } of endings) {
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^agent-jobs: no Temporal server answers at 127\.0\.0\.1:\d+: .*\n$/);
      assert.match(stderr, message);
    }
  };
  const address = (to: { port: number }) => ({ address: `127.0.0.1:${to.port}` });

  test('the server is of another CA', async () => {
    const to = await proxy(await otherCa.sign(NAME), ca.cert);
    const env = await profileEnv('ca', address(to), mutual());
    await refused(env, /not signed by a CA that is trusted .*: name its CA as server_ca_cert_path/);
  });

  test('the server has another name', async () => {
    const to = await proxy(await ca.sign('elsewhere.test'), ca.cert);
    const env = await profileEnv('name', address(to), mutual());
    await refused(env, /is for another name .*elsewhere\.test.*: give the name as server_name/);
  });

  test("the server's certificate has expired", async () => {
    const to = await proxy(await ca.sign(NAME, -1), ca.cert);
    const env = await profileEnv('expired', address(to), mutual());
    await refused(
      env,
      /the server's certificate has expired: whoever runs the server has to renew it/,
    );
  });

  test('the client has no certificate', async () => {
    const to = await proxy(await ca.sign(NAME), ca.cert);
    const none = mutual({ client_cert_path: undefined, client_key_path: undefined });
    const env = await profileEnv('none', address(to), none);
    await refused(env, /asks for a client's certificate, and there is none: set client_cert_path/);
  });

  test("the client's certificate is of another CA, or has expired", async () => {
    const to = await openSslServer(await ca.sign(NAME));
    const other = await otherCa.sign('client');
    const paths = ({ cert, key }: Certificate) => ({
      client_cert_path: cert,
      client_key_path: key,
    });
    await refused(
      await profileEnv('other', address(to), mutual(paths(other))),
      /does not take the client's certificate \(.*\): see that client_cert_path/,
    );
    const closing = await proxy(await ca.sign(NAME), ca.cert);
    await refused(
      await profileEnv('closing', address(closing), mutual(paths(other))),
      /does not take the client's certificate \(closed after the handshake\): see that/,
    );
    await refused(
      await profileEnv('old', address(to), mutual(paths(await ca.sign('client', -1)))),
      /does not take the client's certificate, which has expired: get a new one/,
    );
  });

  test('a file is not there', async () => {
    const env = await profileEnv(
      'file',
      { address: '127.0.0.1:1' },
      mutual({ client_cert_path: '/none.pem' }),
    );
    const { code, stderr } = await cli(['list'], { env });
    assert.equal(code, 2);
    assert.match(stderr, /^agent-jobs: the Temporal settings cannot be used: .*\/none\.pem/);
  });

  test('one speaks TLS and the other does not', async () => {
    const to = await proxy(await ca.sign(NAME));
    await refused(
      await profileEnv('plain', address(to)),
      /it speaks TLS, and the settings have none/,
    );
    const { address: plain } = site.env;
    await refused(
      await profileEnv('tls', { address: plain }, mutual()),
      /it does not speak TLS, as the settings ask/,
    );
  });

  test('the server does not know who asks', async () => {
    const server = createServer();
    const seen = new Set<string | undefined>();
    server.on('stream', (stream, headers) => {
      seen.add(headers.authorization);
      stream.respond(
        { 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'no such key' },
        { endStream: true },
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const to = server.address() as AddressInfo;
    const env = await profileEnv('key', { ...address(to), api_key: 'wrong-key' });
    await refused(
      { ...env, TEMPORAL_TLS: 'false' },
      /it refuses who asks \(no such key\): see to api_key/,
    );
    assert.deepEqual([...seen], ['Bearer wrong-key']);
    server.close();
  });
});
