/**
 * Records histories for `replay.test.ts`: `node --import tsx test/histories/record.ts VERSION`, after a
 * build. Writes `VERSION-*.json` into this folder; those of released versions stay as they are.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import type { JobSpec } from '../../src/client.js';
import { poolWorkflowId } from '../../src/messages.js';
import { runsOf } from '../support/chain.js';
import { Site, type Step, temporalCli, until } from '../support/site.js';

const version = process.argv[2];
if (version === undefined) throw new Error('usage: record.ts VERSION');
const site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
await site.worker();

async function record(name: string, workflowId: string, runId?: string): Promise<void> {
  const of = ['--workflow-id', workflowId, ...(runId === undefined ? [] : ['--run-id', runId])];
  const shown = execFileSync(temporalCli(), ['workflow', 'show', ...of, '-o', 'json'], {
    env: site.processEnv,
    encoding: 'utf8',
  });
  const path = join(import.meta.dirname, `${version}-${name}.json`);
  await writeFile(path, JSON.stringify(JSON.parse(shown)) + '\n');
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
for (const item of ['completed', 'repaired', 'large', 'silent', 'slow', 'late', 'stays']) {
  await record(`item-${item}`, `outcomes/${item}`);
}

const many = Array.from({ length: 20 }, (_, n) => [`r${n}`, good] as const);
await run('chain', await site.spec(Object.fromEntries(many), { max_concurrency: 4 }));
for (const [n, runId] of (await runsOf(site.client, 'chain')).entries()) {
  await record(`job-chain-${n + 1}`, 'chain', runId);
}

const limited = await site.spec(Object.fromEntries(many), {
  max_concurrency: 4,
  rate: '10/s',
  keyed_limits: { id: 1, steps: 3 },
  pool: { name: 'recorded', size: 2 },
});
await run('limited', limited);
for (const [n, runId] of (await runsOf(site.client, 'limited')).entries()) {
  await record(`job-limited-${n + 1}`, 'limited', runId);
}
for (const [n, runId] of (await runsOf(site.client, poolWorkflowId('recorded'))).entries()) {
  await record(`pool-${n + 1}`, poolWorkflowId('recorded'), runId);
}

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

await site.close();
