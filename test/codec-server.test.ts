/** The codec server: the Temporal CLI shows what is encrypted to who has its token, and to nobody else. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PATIENCE_MS, chromiumPath, openBrowser } from './support/browser.js';
import { RunningCli, cli } from './support/cli.js';
import { Site, temporalCli, until } from './support/site.js';

const TOKEN = 'a-token-of-the-tests';
/** How a spec begins, also in base64. */
const SPEC = /\{"csv_path"|eyJjc3ZfcGF0aCI/;

let site: Site;
let url: string;
/** The Web UI. */
let ui: string;
let jobId: string;
const servers: RunningCli[] = [];

before(async () => {
  site = await Site.open({ keys: `k1 = ${'ab'.repeat(32)}`, ui: true });
  ui = site.uiUrl!;
  await site.worker();
  const spec = await site.spec({ 'PLANTED-id': [['report', 'PLANTED-result']] });
  ({ jobId } = await site.jobs.start(spec));
  await site.jobs.job(jobId).result();
  url = await start({ AGENT_JOBS_CODEC_TOKEN: TOKEN }, '--ui-origin', `${ui}/`);
});
after(async () => {
  for (const { process } of servers) process.kill('SIGTERM');
  await Promise.all(servers.map(({ ending }) => ending));
  await site.close();
});

/** @returns where it listens. */
async function start(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const server = new RunningCli(['codec-server', '--port', '0', ...args], {
    env: { ...site.processEnv, ...env },
  });
  servers.push(server);
  await until('it is ready', () => server.stderr.includes('The codec server is ready.'));
  return /--codec-endpoint (\S+)/.exec(server.stderr)![1]!;
}

async function show(...args: string[]): Promise<string> {
  const address = ['--address', site.env.address];
  const command = ['workflow', 'show', '-w', jobId, '--output', 'json', ...address, ...args];
  const { stdout, stderr } = await promisify(execFile)(temporalCli(), command);
  return stdout + stderr;
}

test('the Temporal CLI shows a job with the token, and ciphertext without', async () => {
  const plain = await show('--codec-endpoint', url, '--codec-auth', `Bearer ${TOKEN}`);
  assert.match(plain, SPEC);
  assert.doesNotMatch(await show(), SPEC);
  // It tries for some seconds, and then says that it took too long.
  await assert.rejects(show('--codec-endpoint', url, '--codec-auth', 'Bearer wrong'));
});

const skip = chromiumPath() === undefined && 'Chromium is not installed';
test('the Web UI shows it to who has given it the address with the token', { skip }, async (t) => {
  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const open = () => page.goto(`${ui}/namespaces/default/workflows/${jobId}%2Frow%3A1`);
  const shown = (what: string) => page.getByText(what).first().waitFor();
  await open();
  await shown('encryption-key-id');
  assert.doesNotMatch(await page.content(), /PLANTED/);
  await page.getByTestId('data-encoder-status').click();
  await page.getByLabel('Codec Server browser endpoint').fill(`${url}/${TOKEN}`);
  await page.getByRole('button', { name: 'Apply' }).click();
  await open();
  await shown('PLANTED-result');
  await shown('PLANTED-id');
});

test('it encrypts what the Temporal CLI sends', async () => {
  const spec = {
    csv_path: (await site.spec({ a: [] })).csv_path,
    instruction: 'x',
    agent: { external: true },
  };
  const to = [
    '--address',
    site.env.address,
    '--codec-endpoint',
    url,
    '--codec-auth',
    `Bearer ${TOKEN}`,
  ];
  const type = ['--type', 'agentJob', '--task-queue', site.taskQueue];
  const input = ['--input', JSON.stringify(spec), '--workflow-id', 'by-cli'];
  await promisify(execFile)(temporalCli(), ['workflow', 'start', ...type, ...input, ...to]);
  await until('the item', () =>
    site.jobs
      .job('by-cli')
      .task('row-1')
      .catch(() => undefined),
  );
  const { events } = await site.client.workflow.getHandle('by-cli').fetchHistory();
  assert.doesNotMatch(JSON.stringify(events?.[0]), SPEC);
  await site.jobs.report({ job_id: 'by-cli', item_id: 'row-1', result: 1 });
  assert.equal((await site.jobs.job('by-cli').result()).verdict, 'succeeded');
});

describe('it serves', () => {
  const payload = { metadata: { encoding: base64('json/plain') }, data: base64('"text"') };
  const post = (
    path: string,
    headers: Record<string, string> = {},
    body = JSON.stringify({ payloads: [payload] }),
  ) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  const bearer = { authorization: `Bearer ${TOKEN}` };

  test('who has the token, as a header or in the path, and gives back what it was given', async () => {
    for (const [path, headers] of [
      ['', bearer],
      [`/${TOKEN}`, {}],
      [`/${TOKEN}/default`, {}],
    ] as const) {
      const encoded = await post(`${path}/encode`, headers);
      assert.equal(encoded.status, 200);
      const body = await encoded.text();
      assert.ok(!body.includes(payload.data));
      const decoded = await post(`${path}/decode`, headers, body);
      assert.deepEqual(await decoded.json(), { payloads: [payload] });
    }
  });

  test('nobody else, and says so', async () => {
    const refusals: [Response, number][] = [
      [await post('/decode'), 401],
      [await post('/decode', { authorization: 'Bearer x' }), 401],
      [await post(`/${TOKEN}x/decode`), 401],
      [await post('/other', bearer), 404],
      [await post('/decode', bearer, 'no JSON'), 400],
      [await post('/decode', bearer, '{"payloads":5}'), 400],
      [await post('/decode', bearer, 'null'), 400],
    ];
    for (const [response, status] of refusals) {
      assert.equal(response.status, status);
      assert.ok(((await response.json()) as { error: string }).error.length > 10);
    }
  });

  test('pages of the Web UI, and no others', async () => {
    const preflight = (origin: string) =>
      fetch(`${url}/${TOKEN}/decode`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'x-namespace,authorization',
        },
      });
    const allowed = await preflight(ui);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), ui);
    assert.match(
      allowed.headers.get('access-control-allow-headers')!,
      /Authorization.*X-Namespace/,
    );
    const other = await preflight('http://evil.test');
    assert.equal(other.status, 403);
    assert.equal(other.headers.get('access-control-allow-origin'), null);
    assert.equal((await post(`/${TOKEN}/decode`, { origin: 'http://evil.test' })).status, 403);
    assert.equal((await post(`/${TOKEN}/decode`, { origin: ui })).status, 200);
  });

  test('no name that somebody has given to this host', async () => {
    const { port } = new URL(url);
    const status = await new Promise((resolve, fail) => {
      const headers = { host: `evil.test:${port}`, ...bearer };
      const sent = request(
        { host: '127.0.0.1', port, method: 'POST', path: '/decode', headers },
        (response) => resolve(response.resume().statusCode),
      );
      sent.on('error', fail).end('{"payloads":[]}');
    });
    assert.equal(status, 403);
  });
});

test('it makes a token up where none is given, and refuses what it cannot use', async () => {
  const own = await start({});
  const token = /Bearer (\S{32})"/.exec(servers.at(-1)!.stderr)![1]!;
  const response = await fetch(`${own}/${token}/decode`, {
    method: 'POST',
    body: '{"payloads":[]}',
  });
  assert.deepEqual(await response.json(), {});
  const refused = async (env: NodeJS.ProcessEnv, args: string[], message: RegExp) => {
    const { code, stderr } = await cli(['codec-server', ...args], {
      env: { ...site.processEnv, ...env },
    });
    assert.equal(code, 2);
    assert.match(stderr, message);
  };
  await refused(
    { AGENT_JOBS_CODEC_TOKEN: 'short' },
    [],
    /AGENT_JOBS_CODEC_TOKEN must be 16 or more/,
  );
  await refused(
    { AGENT_JOBS_KEYS_FILE: '' },
    [],
    /there are no keys: name their file with --keys-file/,
  );
  await refused({}, ['--ui-origin', 'localhost'], /--ui-origin: "localhost" is no URL/);
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
