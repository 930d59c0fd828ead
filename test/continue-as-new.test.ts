/** A job that goes through many runs: the server is told to suggest a new one early. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { AgentJobsWorker } from '../src/worker.js';
import { itemWorkflowId, progressQuery, reportSignal } from '../src/messages.js';
import {
  currentRun,
  inFlightAtRenewals,
  itemsOf,
  mostInFlight,
  nextRun,
  noneRunning,
  runsOf,
} from './support/chain.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { isGone } from './support/processes.js';
import { Site, readOutput, until } from './support/site.js';

const LONG = process.env['AGENT_JOBS_LONG'] === '1';
const THRESHOLD = 80;

let site: Site;
let worker: AgentJobsWorker;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': THRESHOLD },
  });
  worker = await site.worker();
});
after(() => site.close());

const progress = (jobId: string) => site.client.workflow.getHandle(jobId).query(progressQuery);
const indexes = (count: number) => Array.from({ length: count }, (_, n) => String(n));

it('has every row once in the output, in input order, however many runs it takes', async (t) => {
  const pidFile = join(site.folder, 'r020.pid');
  const spec = await lightSpec(
    site,
    rowsOf(150, (n) =>
      n === 20 || n === 90
        ? `echo $$ >${pidFile}.${n}; sleep 600`
        : `sleep ${(0.3 + ((n * 37) % 100) / 100).toFixed(2)}; report ${n}`,
    ),
    { max_concurrency: 16 },
  );
  const job = await site.jobs.start(spec);
  const terminate = async (itemId: string) => {
    await until(`${itemId} runs`, async () => {
      const { status } = await item(job.jobId, itemId).describe();
      return status.name === 'RUNNING';
    });
    await item(job.jobId, itemId).terminate('by hand');
  };
  // One that the job has adopted, and one that most likely is its own.
  await until('row 20 runs', () => readFile(`${pidFile}.20`, 'utf8').catch(() => undefined));
  const run = await currentRun(site.client, job.jobId);
  await nextRun(site.client, job.jobId, run);
  await terminate('r020');
  await until('row 90 runs', () => readFile(`${pidFile}.90`, 'utf8').catch(() => undefined));
  await terminate('r090');

  const { verdict, total, completed, failed, cancelled, pending, ...summary } = await job.result();
  assert.deepEqual(
    { verdict, total, completed, failed, cancelled, pending },
    { verdict: 'partial', total: 150, completed: 148, failed: 0, cancelled: 2, pending: 0 },
  );
  const rows = await readOutput(summary.output_csv_path);
  assert.deepEqual(
    rows.map(({ row_index }) => row_index),
    indexes(150),
  );
  for (const [n, row] of rows.entries()) {
    const byHand = n === 20 || n === 90;
    assert.equal(row['status'], byHand ? 'cancelled' : 'completed');
    assert.equal(row['result_json'], byHand ? '' : String(n));
    if (byHand) assert.equal(row['last_error'], 'terminated: by hand');
    if (byHand) {
      const pid = Number(await readFile(`${pidFile}.${n}`, 'utf8'));
      await until(`the agent of row ${n} is gone`, () => isGone(pid));
    }
  }

  const runs = await runsOf(site.client, job.jobId);
  const items = await itemsOf(site.client, job.jobId);
  const renewals = await inFlightAtRenewals(site.client, job.jobId);
  t.diagnostic(`${runs.length} runs, in flight when it continued: ${renewals.join(' ')}`);
  assert.ok(runs.length >= 3, `${runs.length} runs`);
  assert.equal(items.length, 150);
  assert.ok(mostInFlight(items) <= 16, `${mostInFlight(items)} in flight`);
});

it('keeps the slots full from one run to the next', async () => {
  const COUNT = 60;
  const SLOTS = 8;
  const spec = await lightSpec(
    site,
    rowsOf(COUNT, () => ''),
    { agent: { external: true }, max_concurrency: SLOTS, max_runtime_seconds: 120 },
  );
  const job = await site.jobs.start(spec);
  for (let n = 0; n < COUNT; n += 1) {
    const inFlight = Math.min(SLOTS, COUNT - n);
    await until(`${inFlight} run when ${n} have ended`, async () => {
      const { running, completed } = await progress(job.jobId);
      // Those that are asked for count as running before they have started.
      const [next, last] = [rowId(n), rowId(n + inFlight - 1)].map((id) => item(job.jobId, id));
      const started = (await isStarted(next!)) && (await isStarted(last!));
      return running === inFlight && completed === n && started;
    });
    await item(job.jobId, rowId(n)).signal(reportSignal, { result: n });
  }
  const { verdict, completed, output_csv_path } = await job.result();
  assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: COUNT });
  assert.deepEqual(
    (await readOutput(output_csv_path)).map(({ result_json }) => result_json),
    indexes(COUNT),
  );
  assert.ok((await runsOf(site.client, job.jobId)).length >= 3);
  assert.equal(mostInFlight(await itemsOf(site.client, job.jobId)), SLOTS);
  // Between the end of one and the start of the next there is a moment with one less.
  const renewals = await inFlightAtRenewals(site.client, job.jobId);
  for (const inFlight of renewals.filter((_, n) => n < renewals.length - 1)) {
    assert.ok(inFlight >= SLOTS - 1, `${inFlight} in flight when it continued as new`);
  }
});

it('starts an item again that the server has forgotten, and carries the memo along', async () => {
  const COUNT = 40;
  const spec = await lightSpec(
    site,
    rowsOf(COUNT, () => ''),
    { agent: { external: true }, max_concurrency: 6, max_runtime_seconds: 120 },
  );
  const job = await site.jobs.start(spec);
  const first = await currentRun(site.client, job.jobId);
  const forgotten = item(job.jobId, rowId(0));
  await until('the first item runs', () => isStarted(forgotten));
  const { runId: before } = await forgotten.describe();
  for (let n = 1; (await currentRun(site.client, job.jobId)) === first; n += 1) {
    await until(`item ${n} runs`, () => isStarted(item(job.jobId, rowId(n))));
    await item(job.jobId, rowId(n)).signal(reportSignal, { result: n });
  }
  // While somebody waits for it, it would be seen to be terminated first.
  worker.shutdown();
  await worker.done;
  await site.client.workflowService.deleteWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: forgotten.workflowId, runId: before },
  });
  await until('the server has forgotten it', async () => !(await isStarted(forgotten)));
  worker = await site.worker();
  await until('it is started again', async () => {
    const again = await forgotten.describe().catch(() => undefined);
    return again !== undefined && again.runId !== before && again.status.name === 'RUNNING';
  });
  const reported = new Set<number>();
  while (reported.size < COUNT) {
    for (let n = 0; n < COUNT; n += 1) {
      const handle = item(job.jobId, rowId(n));
      if (reported.has(n) || !(await isStarted(handle))) continue;
      await handle.signal(reportSignal, { result: n }).catch(() => {});
      reported.add(n);
    }
  }
  const { verdict, completed, output_csv_path } = await job.result();
  assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: COUNT });
  assert.deepEqual(
    (await readOutput(output_csv_path)).map(({ result_json }) => result_json),
    indexes(COUNT),
  );
  const { memo } = await site.client.workflow.getHandle(job.jobId).describe();
  assert.deepEqual(memo?.['opened'], {
    csv_path: spec.csv_path,
    output_csv_path,
    total: COUNT,
  });
  await noneRunning(site.client, job.jobId);
});

it('does so by itself long before a history gets long', { skip: !LONG }, async () => {
  const untold = await Site.open();
  try {
    await untold.worker();
    const spec = await lightSpec(
      untold,
      rowsOf(450, (n) => `report ${n}`),
    );
    const job = await untold.jobs.start(spec);
    const { verdict, completed } = await job.result();
    assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: 450 });
    const runs = await runsOf(untold.client, job.jobId);
    assert.ok(runs.length >= 2, `${runs.length} runs`);
    for (const runId of runs) {
      const run = await untold.client.workflow.getHandle(job.jobId, runId).describe();
      assert.ok(run.historyLength < 3000, `${run.historyLength} events`);
    }
  } finally {
    await untold.close();
  }
});

function rowId(n: number): string {
  return `r${String(n).padStart(3, '0')}`;
}

function item(jobId: string, itemId: string) {
  return site.client.workflow.getHandle(itemWorkflowId(jobId, itemId));
}

async function isStarted(handle: ReturnType<typeof item>): Promise<boolean> {
  return handle.describe().then(
    () => true,
    () => false,
  );
}
