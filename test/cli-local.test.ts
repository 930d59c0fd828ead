/** `run --local`, as an installed package in a home of its own: starts what it needs, and ends it again. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli } from './support/cli.js';
import { freePort } from './support/free-port.js';
import { McpClient } from './support/mcp.js';
import { AGENT, ROOT, temporalCli } from './support/site.js';

interface Local {
  servers: { pid: number; address: string; database: string; log: string }[];
  workers: { pid: number; concurrency: number; log: string; store: string }[];
}

let home: string;
let main: string;
let env: NodeJS.ProcessEnv;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'agent-jobs-local-'));
  const installed = join(home, 'node_modules', 'agent-jobs');
  await mkdir(installed, { recursive: true });
  for (const name of ['dist', 'package.json', 'temporal-dev.sh']) {
    await cp(join(ROOT, name), join(installed, name), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  main = join(installed, 'dist/cli/main.js');
  await writeFile(join(home, 'in.csv'), 'id\na\nb\n');
  env = {
    PATH: process.env['PATH'],
    HOME: home,
    TEMPORAL_CLI: temporalCli(),
    TEMPORAL_ADDRESS: `localhost:${await freePort()}`,
    TEMPORAL_DEV_UI_PORT: String(await freePort()),
  };
});
after(async () => {
  await command('local', 'down');
  await rm(home, { recursive: true, force: true });
});

const command = (...args: string[]) => cli(args, { env, cwd: home, main });

function run(id: string, ...options: string[]) {
  const task = ['--instruction', '[["report","{id}"]]', '--job-id', id];
  return command('run', 'in.csv', '--local', ...task, ...options, '--', ...AGENT);
}

async function status(): Promise<Local> {
  return JSON.parse((await command('local', 'status', '--json')).stdout) as Local;
}

/** The command lines of the processes that belong to this home. */
async function processes(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(home)) found.push(line.replaceAll('\0', ' '));
  }
  return found;
}

test('it starts server and worker once, and local down ends both and nothing else', async () => {
  const state = join(home, '.local/state/agent-jobs');
  const first = await run('one', '--json', '--max-concurrency', '20');
  assert.equal(first.code, 0, first.stderr);
  assert.equal((JSON.parse(first.stdout) as { verdict: string }).verdict, 'succeeded');
  assert.match(first.stderr, /Starting a Temporal dev server[^]*Starting a worker/);

  const running = await status();
  const [server, worker] = [running.servers[0]!, running.workers[0]!];
  assert.deepEqual([running.servers.length, running.workers.length], [1, 1]);
  assert.equal(server.address, env['TEMPORAL_ADDRESS']);
  // Not within the package, which is replaced by the next installation.
  assert.equal(server.database, join(state, 'local/dev.db'));
  assert.deepEqual([worker.concurrency, worker.store], [20, state]);
  assert.match(await readFile(worker.log, 'utf8'), /The worker is ready/);
  const shown = await command('local', 'status');
  assert.match(shown.stdout, new RegExp(`process ${server.pid}$[^]*process ${worker.pid}, `, 'm'));

  const second = await run('two', '--max-concurrency', '30');
  assert.equal(second.code, 0, second.stderr);
  assert.doesNotMatch(second.stderr, /Starting/);
  assert.match(second.stderr, /The local worker runs 20 agents at once\. For more: /);
  assert.deepEqual(await status(), running);

  // A later process that got the ID of a worker of earlier, as this one here.
  const stale = { ...worker, pid: process.pid, started: '1' };
  await writeFile(join(state, `local/worker-${process.pid}.json`), JSON.stringify(stale));
  const down = await command('local', 'down');
  assert.equal(down.code, 0, down.stderr);
  assert.match(
    down.stdout,
    /^The worker \(process \d+\) has ended\.\nThe Temporal server at .* has ended/,
  );
  assert.deepEqual(await processes(), []);
  assert.deepEqual(await status(), { servers: [], workers: [] });
  assert.match((await command('local', 'down')).stdout, /^Nothing to end/);
});

test('a worker that was killed is replaced; one of another job store is not taken', async () => {
  assert.equal((await run('three')).code, 0);
  const [killed] = (await status()).workers;
  process.kill(killed!.pid, 'SIGKILL');
  const again = await run('again');
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /the server lists does not answer\.\nStarting a worker/);

  env['AGENT_JOBS_STORE'] = join(home, 'store');
  const { code, stderr } = await run('four');
  delete env['AGENT_JOBS_STORE'];
  assert.equal(code, 2, stderr);
  assert.match(stderr, /local worker has the job store .*"agent-jobs local down"/);
});

test('the MCP server starts them for its first job', async () => {
  await command('local', 'down');
  const mcp = await McpClient.connect({ env, cwd: home, main });
  assert.deepEqual(await status(), { servers: [], workers: [] });
  const job = { csv_path: 'in.csv', instruction: '[["report","{id}"]]', agent: AGENT };
  const both = await Promise.all([
    mcp.call('spawn_agents_on_csv', { ...job, output_csv_path: 'one.csv' }),
    mcp.call('spawn_agents_on_csv', { ...job, output_csv_path: 'two.csv' }),
  ]);
  await mcp.close();
  assert.deepEqual(
    both.map(({ status, completed_items }) => [status, completed_items]),
    [
      ['completed', 2],
      ['completed', 2],
    ],
  );
  const running = await status();
  assert.deepEqual([running.servers.length, running.workers.length], [1, 1]);
});
