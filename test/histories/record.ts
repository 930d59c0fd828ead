/**
 * Records histories for `replay.test.ts`: `node --import tsx test/histories/record.ts VERSION`, after a
 * build. Writes `VERSION-*.json` into this folder: those that are not there yet, since a history that is there
 * stands for jobs that may still run.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { AgentJobs, type JobSpec } from '../../src/client.js';
import { poolWorkflowId } from '../../src/messages.js';
import { runsOf } from '../support/chain.js';
import { LIGHT_AGENT, lightSpec } from '../support/light-agent.js';
import { RECORDED_KEYS } from '../support/replays.js';
import { Site, type Step, temporalCli, until } from '../support/site.js';
import { WorkerProcess } from '../support/worker-process.js';

const version = process.argv[2];
if (version === undefined) throw new Error('usage: record.ts VERSION');
const site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
await site.worker();

function pathOf(name: string): string {
  return join(import.meta.dirname, `${version}-${name}.json`);
}

async function record(
  name: string,
  workflowId: string,
  runId?: string,
  { processEnv: env } = site,
): Promise<void> {
  const of = ['--workflow-id', workflowId, ...(runId === undefined ? [] : ['--run-id', runId])];
  const shown = execFileSync(temporalCli(), ['workflow', 'show', ...of, '-o', 'json'], {
    env,
    encoding: 'utf8',
  });
  const path = pathOf(name);
  if (existsSync(path)) return;
  await writeFile(path, JSON.stringify(JSON.parse(shown)) + '\n');
  console.log(path);
}

/** All runs of one workflow, or none. */
async function recordRuns(name: string, workflowId: string): Promise<void> {
  if (existsSync(pathOf(`${name}-1`))) return;
  for (const [n, runId] of (await runsOf(site.client, workflowId)).entries()) {
    await record(`${name}-${n + 1}`, workflowId, runId);
  }
}

async function run(jobId: string, spec: JobSpec): Promise<void> {
  await (await site.jobs.start(spec, { jobId })).result();
}

const good: Step[] = [['report', { label: 'bug' }]];
const schema = { type: 'object', required: ['label'] };

await run(
  'outcomes',
  await site.spec(
    {
      completed: good,
      repaired: [['report', { lable: 'bug' }], ...good],
      large: [['report', { label: 'x'.repeat(5000) }]],
      silent: [['exit', 0]],
      invalid: [['report', 1]],
      error: [['exit', 3]],
      slow: [['hang']],
      late: [['background', [['sleep', 100], ...good]]],
      stays: [...good, ['hang']],
    },
    {
      output_schema: schema,
      max_attempts: 2,
      max_runtime_seconds: 2,
      exit_grace_seconds: 0.2,
      max_concurrency: 9,
    },
  ),
);
for (const item of [
  ...['completed', 'repaired', 'large', 'silent', 'invalid', 'error', 'slow', 'late', 'stays'],
]) {
  await record(`item-${item}`, `outcomes/${item}`);
}

const many = Array.from({ length: 20 }, (_, n) => [`r${n}`, good] as const);
await run('chain', await site.spec(Object.fromEntries(many), { max_concurrency: 4 }));
await recordRuns('job-chain', 'chain');

const limited = await site.spec(Object.fromEntries(many), {
  max_concurrency: 4,
  rate: '10/s',
  keyed_limits: { id: 1, steps: 3 },
  pool: { name: 'recorded', size: 2 },
});
await run('limited', limited);
await recordRuns('job-limited', 'limited');
await recordRuns('pool', poolWorkflowId('recorded'));

const hanging = await site.spec({ a: good, b: [['hang']], c: good }, { max_concurrency: 2 });
const cancelled = await site.jobs.start(hanging, { jobId: 'cancelled' });
await until('an agent hangs', async () => (await cancelled.status()).completed === 2);
await cancelled.cancel();
await cancelled.result();
await record('job-cancelled', 'cancelled');
await record('item-cancelled', 'cancelled/b');

const stop = await site.spec({ a: [['report', 1, { stop: true }]], b: good }, { max_concurrency: 1 });
await run('stopped', stop);
await record('job-stopped', 'stopped');

const external = await site.spec({ a: [], b: [] }, { agent: { external: true }, max_runtime_seconds: 2 });
const job = await site.jobs.start(external, { jobId: 'external' });
await until('its items run', async () => (await job.status()).running === 2);
const wrong = { job_id: 'external', item_id: 'a', run: 7, result: 1 };
await until('it is refused', async () => !(await site.jobs.report(wrong)).accepted);
await site.jobs.report({ job_id: 'external', item_id: 'a', result: 1 });
await job.result();
await record('item-external', 'external/a');
await record('item-external-silent', 'external/b');

const own = await Worker.create({
  connection: site.env.nativeConnection,
  taskQueue: 'own',
  activities: { work: async () => ({ label: 'bug' }) },
});
const activity = await site.spec({ a: [] }, { agent: { activity: 'work', task_queue: 'own' } });
await own.runUntil(run('own', activity));
await record('item-activity', 'own/a');

// What operators ask: of a job with rows that wait, and of single items, one of them for the second time.
const four = { a: [], b: [], c: [], d: [] };
const controlled = await site.jobs.start(
  await site.spec(four, { agent: { external: true }, max_concurrency: 2 }),
  { jobId: 'controlled' },
);
await until('two run', async () => (await controlled.status()).running === 2);
await controlled.pause('to be looked at');
await site.jobs.report({ job_id: 'controlled', item_id: 'a', result: 1 });
await until('it has ended', async () => (await controlled.status()).completed === 1);
await controlled.set({ max_concurrency: 1, tolerated_failures: 3 });
await controlled.cancelItem('b');
await controlled.cancelItem('c');
await controlled.retryItem('a');
await controlled.resume();
await until('it runs again', async () =>
  (await site.jobs.report({ job_id: 'controlled', item_id: 'a', result: 2 })).accepted,
);
await until('the last one runs', async () =>
  (await site.jobs.report({ job_id: 'controlled', item_id: 'd', result: 3 })).accepted,
);
await controlled.result();
await record('job-controlled', 'controlled');
await record('item-again', 'controlled/a/2');

// More fail than are tolerated.
const failing = { a: [['exit', 3]], b: [['exit', 3]], c: good } satisfies Record<string, Step[]>;
await run('halted', await site.spec(failing, { max_concurrency: 1, tolerated_failures: 1 }));
await record('job-halted', 'halted');

// A limit of what agents use, which ends by itself.
const met = join(site.folder, 'met');
const atLimit = `[ -e ${met} ] || { touch ${met}; echo 'retry after 1 s'; exit 75; }; report 1`;
await run(
  'quota',
  await lightSpec(site, { a: atLimit, b: 'report 1', c: 'report 1' }, {
    agent: { command: LIGHT_AGENT, quota_exit_code: 75 },
    max_concurrency: 1,
  }),
);
await record('job-quota', 'quota');
await record('item-put-back', 'quota/a');

// Rows of an earlier job; one of them first; a job that is over before they all are.
const again = await site.jobs.rerun('outcomes', { statuses: ['failed'] }, {
  jobId: 'rerun',
  changes: { max_attempts: 1 },
});
await again.result();
await record('job-rerun', 'rerun');
const sampled = await site.jobs.start(
  await site.spec({ a: good, b: [['hang']] }, { sample: 1, max_concurrency: 1 }),
  { jobId: 'sampled' },
);
await until('the sample has ended', async () => (await sampled.status()).paused !== null);
await sampled.resume();
await until('the other runs', async () => (await sampled.status()).running === 1);
await sampled.set({ deadline: new Date(Date.now() + 1000).toISOString() });
await sampled.result();
await record('job-sampled', 'sampled');

const living = await site.spec({ a: [] }, { agent: { external: true }, heartbeat_seconds: 2 });
const alive = await site.jobs.start(living, { jobId: 'living' });
await until('it lives', () => site.jobs.heartbeat({ job_id: 'living', item_id: 'a' }));
await alive.result();
await record('item-heartbeat', 'living/a');

await site.jobs
  .start({ ...(await site.spec({ a: good })), id_column: 'none' }, { jobId: 'refused' })
  .then((refused) => refused.result())
  .catch(() => {});
await record('job-refused', 'refused');

// A worker that goes in order, and one that is killed, each while an agent runs.
for (const [name, signal] of [
  ['released', 'SIGTERM'],
  ['lost', 'SIGKILL'],
] as const) {
  const taskQueue = `${site.taskQueue}-${name}`;
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue };
  const start = () => WorkerProcess.restart(env, { cwd: site.folder, args: ['--drain-seconds', '0'] });
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const [begun, go] = [join(site.folder, `${name}-begun`), join(site.folder, `${name}-go`)];
  const first = await start();
  const rows = { a: [['touch', begun], ['wait-for', go], ...good] } satisfies Record<string, Step[]>;
  const going = await jobs.start(await site.spec(rows), { jobId: name });
  await until('the agent runs', () =>
    access(begun).then(
      () => true,
      () => false,
    ),
  );
  first.signal(signal);
  await first.ended;
  await writeFile(go, '');
  await start();
  await going.result();
  await record(`item-${name}`, `${name}/a`);
}

// Where all that is stored is encrypted, rows have other workflow IDs.
const keyed = await Site.open({ keys: RECORDED_KEYS });
await keyed.worker();
const secret = await keyed.jobs.start(
  await keyed.spec({ a: good, b: [['exit', 3]], c: [['hang']] }, { max_concurrency: 3 }),
  { jobId: 'secret' },
);
await until('one hangs', async () => {
  const { completed, failed, running } = await secret.status();
  return completed === 1 && failed === 1 && running === 1;
});
await secret.cancelItem('c');
await secret.result();
await record('encrypted-job', 'secret', undefined, keyed);
for (const [name, row] of [
  ['completed', 1],
  ['failed', 2],
  ['cancelled', 3],
] as const) {
  await record(`encrypted-item-${name}`, `secret/row:${row}`, undefined, keyed);
}
await keyed.close();

WorkerProcess.killAll();
await site.close();
