/** What of Codex's hosting can be told without Codex. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { hostArguments } from '../src/agent/codex-host/arguments.js';
import { rootCertificates } from '../src/agent/codex-host/root-certificates.js';
import { RpcClosed, RpcError, RpcPeer } from '../src/agent/codex-host/rpc.js';

test('arguments that are settings are for a host', () => {
  const cases: [own: string[], hosted: string[] | undefined][] = [
    [[], []],
    [
      ['-m', 'a b', '-c', 'x=1', '--enable', 'f', '--disable=g', '--config=y=2'],
      ['-c', 'x=1', '--enable', 'f', '--disable', 'g', '-c', 'y=2', '-c', 'model="a b"'],
    ],
    [['--sandbox=workspace-write'], ['-c', 'sandbox_mode="workspace-write"']],
    // `exec` refuses these, and says why.
    [['-s', 'none'], undefined],
    [['-m', 'a', '--model', 'b'], undefined],
    [['-c'], undefined],
    // A server of the user's is started for each row, and ends with it.
    [['-c', 'mcp_servers.own.enabled=true'], undefined],
    [['-c', ' mcp_servers={}'], undefined],
    [['--profile', 'x'], undefined],
    [['--color', 'never'], undefined],
    [['do this'], undefined],
  ];
  for (const [own, hosted] of cases) assert.deepEqual(hostArguments(own), hosted, own.join(' '));
});

test('a host finds each root certificate once, in one file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-roots-'));
  t.after(() => rm(folder, { recursive: true }));
  const pem = (name: string) => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;
  const [SSL_CERT_FILE, SSL_CERT_DIR] = [join(folder, 'bundle.crt'), join(folder, 'certs')];
  await mkdir(SSL_CERT_DIR);
  await writeFile(SSL_CERT_FILE, `# A\n${pem('A')}# B\n${pem('B')}`);
  await writeFile(join(SSL_CERT_DIR, 'a.pem'), pem('A'));
  await symlink('a.pem', join(SSL_CERT_DIR, '0a0a0a0a.0'));
  await symlink('gone.pem', join(SSL_CERT_DIR, '0b0b0b0b.0'));
  await writeFile(join(SSL_CERT_DIR, 'c.pem'), pem('C'));
  const found = await rootCertificates(folder, { SSL_CERT_FILE, SSL_CERT_DIR });
  const roots = await readFile(found['SSL_CERT_FILE']!, 'utf8');
  assert.deepEqual(roots.match(/^[A-Z]$/gm), ['A', 'B', 'C']);
  assert.deepEqual(await readdir(found['SSL_CERT_DIR']!), []);
  assert.equal(await readFile(found['CODEX_CA_CERTIFICATE']!, 'utf8'), pem('A').trim());
  // What is found beside the one that is named differs between versions.
  assert.deepEqual(await rootCertificates(folder, { SSL_CERT_FILE }), {});
  const nothing = { SSL_CERT_FILE: '/none', SSL_CERT_DIR: '/none' };
  assert.deepEqual(await rootCertificates(folder, nothing), {});
});

/** A peer whose other side is this test. */
function peer(handlers: Partial<ConstructorParameters<typeof RpcPeer>[1]> = {}) {
  const sent: { id?: number; method?: string; result?: unknown; error?: unknown }[] = [];
  const rpc = new RpcPeer((line) => sent.push(JSON.parse(line) as (typeof sent)[number]), {
    notified: () => {},
    asked: async () => ({}),
    ...handlers,
  });
  const receive = (message: object) => rpc.line(JSON.stringify(message));
  return { rpc, sent, receive };
}

test('answers find their requests, in any order', async () => {
  const { rpc, sent, receive } = peer();
  const [first, second] = [rpc.request('a', {}, 1000), rpc.request('b', {}, 1000)];
  receive({ id: sent[1]!.id, result: 2 });
  receive({ id: sent[0]!.id, error: { code: -32600, message: 'not so' } });
  await assert.rejects(first, new RpcError('not so'));
  assert.equal(await second, 2);
});

test('a server that is overloaded is asked again', async () => {
  const { rpc, sent, receive } = peer();
  const answer = rpc.request('a', {}, 5000);
  receive({ id: sent[0]!.id, error: { code: -32001, message: 'Server overloaded' } });
  while (sent.length < 2) await delay(5);
  receive({ id: sent[1]!.id, result: 'taken' });
  assert.equal(await answer, 'taken');
});

test('a server that is gone or silent fails what it was asked', async () => {
  const { rpc, sent } = peer();
  await assert.rejects(rpc.request('a', {}, 20), new RpcClosed('it has not answered a in time'));
  const asked = rpc.request('b', {}, 1000);
  rpc.close('gone');
  await assert.rejects(asked, new RpcClosed('gone'));
  await assert.rejects(rpc.request('c', {}, 1000), RpcClosed);
  assert.equal(sent.length, 2);
});

test('requests of the server are answered, also those that nobody can answer', async () => {
  const { sent, receive } = peer({
    asked: async (method) => {
      if (method !== 'known') throw new Error('nobody is there to be asked');
      return 'yes';
    },
  });
  receive({ id: 7, method: 'known', params: {} });
  receive({ id: 'x', method: 'approve', params: {} });
  await delay(1);
  assert.deepEqual(sent, [
    { id: 7, result: 'yes' },
    { id: 'x', error: { code: -32601, message: 'nobody is there to be asked' } },
  ]);
});
