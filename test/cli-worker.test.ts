/** `agent-jobs worker` as a process: ready, at work, and ended in order. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Wire } from './faults/wire.js';
import { RunningCli, cli } from './support/cli.js';
import { isGone } from './support/processes.js';
import { Site, type Step, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
});
after(() => site.close());

async function start(...args: string[]): Promise<RunningCli> {
  const worker = new RunningCli(['worker', ...args], { env: site.processEnv, cwd: '/' });
  await until('the worker is ready', () => worker.stderr.includes('The worker is ready'));
  return worker;
}

const pidIn = (path: string) =>
  until(`an agent has made ${path}`, () =>
    readFile(path, 'utf8').then(
      (pid) => pid !== '' && Number(pid),
      () => undefined,
    ),
  );

test('it says what it works for; one signal lets agents finish, and costs no attempt', async () => {
  const worker = await start('--concurrency', '3');
  assert.match(worker.stderr, new RegExp(`task queue ${site.taskQueue} in namespace default at `));
  assert.match(worker.stderr, new RegExp(`3 at once\n  store   ${site.storeFolder}\n`));

  const mark = join(site.folder, 'drained');
  const spec = await site.spec({
    a: [
      ['touch', mark],
      ['sleep', 1500],
      ['report', 1],
    ],
  });
  const job = await site.jobs.start(spec);
  await pidIn(mark);
  worker.process.kill('SIGTERM');
  const { code, stdout, stderr } = await worker.ending;
  assert.deepEqual([code, stdout], [0, ''], stderr);
  assert.match(stderr, /takes no more work; its agents may go on for 60 s\. Once more to end them/);
  assert.match(stderr, /The worker has ended\.\n$/);
  // Nothing of the SDK's everyday talk.
  assert.doesNotMatch(stderr, /INFO|No workflows registered/);

  const next = await site.worker();
  const { verdict } = await job.result();
  assert.equal(verdict, 'succeeded');
  next.shutdown();
  await next.done;
});

test('it waits for a local server that is slow to answer, as on a busy machine', async () => {
  const wire = await Wire.to(site.env.address);
  wire.cut('silent');
  const env = { ...site.processEnv, TEMPORAL_ADDRESS: wire.address };
  const worker = new RunningCli(['worker'], { env, cwd: '/' });
  // Longer than it takes to find that there is none.
  await wire.asked;
  await delay(3000);
  wire.mend();
  await until('the worker is ready', () => {
    if (worker.process.exitCode !== null) throw new Error(worker.stderr);
    return worker.stderr.includes('The worker is ready');
  });
  worker.process.kill('SIGTERM');
  const { code } = await worker.ending;
  assert.equal(code, 0);
  wire.close();
});

test('a second signal ends the agents at once', async () => {
  const worker = await start();
  const mark = join(site.folder, 'ended');
  const job = await site.jobs.start(await site.spec({ a: [['touch', mark], ['hang']] }));
  const pid = await pidIn(mark);
  worker.process.kill('SIGINT');
  await until('it drains', () => worker.stderr.includes('takes no more work'));
  assert.ok(!(await isGone(pid)));
  worker.process.kill('SIGINT');
  const { code, stderr } = await worker.ending;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /The worker ends its agents now\./);
  assert.ok(await isGone(pid));
  await job.cancel();
});

test('a worker whose host is busier than it is to be runs its agents one by one', async () => {
  const tuned = ['--cached-workflows', '10', '--activity-slots', '10', '--max-pollers', '4'];
  // More of the memory is in use than this wherever a server runs.
  const worker = await start('--concurrency', '4', '--target-memory', '0.1', ...tuned);
  assert.match(worker.stderr, /agents  4 at once, fewer where the host is busy\n/);
  const log = join(site.folder, 'one-by-one');
  const steps: Step[] = [
    ['append', log],
    ['sleep', 200],
    ['append', log],
    ['report', 1],
  ];
  const ids = ['a', 'b', 'c', 'd'];
  const job = await site.jobs.start(
    await site.spec(Object.fromEntries(ids.map((id) => [id, steps]))),
  );
  assert.equal((await job.result()).completed, ids.length);
  const lines = (await readFile(log, 'utf8')).trim().split('\n');
  assert.equal(lines.length, 2 * ids.length);
  for (let n = 0; n < lines.length; n += 2) assert.equal(lines[n], lines[n + 1], lines.join('\n'));
  worker.process.kill('SIGTERM');
  assert.equal((await worker.ending).code, 0);
});

test('a namespace that is not there is said, and is 1', async () => {
  const env = { ...site.processEnv, TEMPORAL_NAMESPACE: 'nowhere' };
  const { code, stderr } = await cli(['worker'], { env });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^agent-jobs: .*nowhere/m);
  assert.doesNotMatch(stderr, /^ +at /m, 'a stack trace');
});
