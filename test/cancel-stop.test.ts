/** A job that is cancelled or stopped: at any time, and around its continuing as new above all. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentJobs, type JobHandle } from '../src/client.js';
import type { JobSummary } from '../src/job.js';
import { JOB_WORKFLOW, SUMMARY_MEMO, stopSignal } from '../src/messages.js';
import {
  currentRun,
  itemsOf,
  mostInFlight,
  nextRun,
  noneRunning,
  runsOf,
} from './support/chain.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { isGroupGone, pidsIn } from './support/processes.js';
import { Site, readOutput, until } from './support/site.js';

const THRESHOLD = 60;
const COUNT = 60;
const SLOTS = 8;
/** Agents that would run for long; the others end soon, so that the job continues as new. */
const isLong = (n: number) => n % 6 === 3;

let site: Site;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': THRESHOLD },
  });
});
after(() => site.close());

async function startJob(name: string, longSeconds: number): Promise<[JobHandle, pidFile: string]> {
  const pidFile = join(site.folder, `${name}.pids`);
  const shell = (n: number) =>
    `echo $$ >>${pidFile}; sleep ${isLong(n) ? longSeconds : 0.2}; report ${n}`;
  const spec = await lightSpec(site, rowsOf(COUNT, shell), { max_concurrency: SLOTS });
  return [await site.jobs.start(spec, { jobId: name }), pidFile];
}

const itemStatuses = { COMPLETED: 'completed', CANCELLED: 'cancelled', FAILED: 'failed' } as const;

/** That the summary, the memo, the output and the server tell the same story. */
async function assertConsistent(jobId: string, summary: JobSummary, slots = SLOTS) {
  const { client } = site;
  const { completed, failed, cancelled, pending, total } = summary;
  assert.equal(completed + failed + cancelled + pending, total);
  const { memo } = await client.workflow.getHandle(jobId).describe();
  assert.deepEqual(memo?.[SUMMARY_MEMO], summary);

  const rows = await readOutput(summary.output_csv_path);
  assert.deepEqual(
    rows.map(({ row_index }) => Number(row_index)),
    Array.from({ length: total }, (_, n) => n),
  );
  const statuses = { completed: 0, failed: 0, cancelled: 0, pending: 0 };
  for (const row of rows) statuses[row['status'] as keyof typeof statuses] += 1;
  assert.deepEqual(statuses, { completed, failed, cancelled, pending });

  await noneRunning(client, jobId);
  const items = await itemsOf(client, jobId);
  assert.ok(mostInFlight(items) <= slots);
  const closed = { completed: 0, failed: 0, cancelled: 0, pending: 0 };
  for (const { status } of items) closed[itemStatuses[status.name as 'COMPLETED']] += 1;
  assert.deepEqual({ ...closed, pending: total - items.length }, statuses);
}

/** Resolves so many milliseconds after the job has continued as new; negative: shortly before it does. */
async function aroundRenewal(jobId: string, afterMs: number): Promise<void> {
  const { client } = site;
  const handle = client.workflow.getHandle(jobId);
  const run = await currentRun(client, jobId);
  if (afterMs >= 0) {
    await nextRun(client, jobId, run);
    await delay(afterMs);
  } else {
    await until('the job is about to continue as new', async () => {
      const { historyLength, runId } = await handle.describe();
      return historyLength >= THRESHOLD - 10 || runId !== run;
    });
  }
}

describe('around continuing as new', { concurrency: 4 }, () => {
  before(() => site.worker({ concurrency: 4 * SLOTS }));

  for (const ms of [-1, 0, 20, 45]) {
    const when = ms < 0 ? 'shortly before' : `${ms} ms after`;

    it(`a cancel ${when} ends every item`, async (t) => {
      const [job, pidFile] = await startJob(`cancel-${ms}`, 600);
      await aroundRenewal(job.jobId, ms);
      await job.cancel();
      const summary = await job.result();
      assert.equal(summary.verdict, 'cancelled');
      assert.ok(summary.cancelled > 0);
      const { status } = await site.client.workflow.getHandle(job.jobId).describe();
      assert.equal(status.name, 'CANCELLED');
      for (const pid of await pidsIn(pidFile)) {
        await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
      }
      await assertConsistent(job.jobId, summary);
      t.diagnostic(`${(await runsOf(site.client, job.jobId)).length} runs`);
    });

    it(`a stop ${when} lets those end that run`, async (t) => {
      const [job] = await startJob(`stop-${ms}`, 4);
      await aroundRenewal(job.jobId, ms);
      await job.stop('enough');
      const summary = await job.result();
      const { verdict, stop_reason, failed, cancelled } = summary;
      assert.deepEqual(
        { verdict, stop_reason, failed, cancelled },
        { verdict: 'stopped', stop_reason: 'enough', failed: 0, cancelled: 0 },
      );
      assert.ok(summary.pending > 0);
      await assertConsistent(job.jobId, summary);
      t.diagnostic(`${(await runsOf(site.client, job.jobId)).length} runs`);
    });
  }
});

it('a cancel right after that of an item that was not started keeps its outcome', async () => {
  const [job] = await startJob('right-after', 60);
  await until('some run', async () => (await job.status()).running === SLOTS);
  await job.cancelItem('r059');
  await job.cancel();
  const summary = await job.result();
  assert.equal(summary.verdict, 'cancelled');
  const rows = await readOutput(summary.output_csv_path);
  assert.equal(rows[59]!['last_error'], 'cancelled before it was started');
});

it('a cancel ends the agents also while nothing can be saved', async () => {
  const taskQueue = `${site.taskQueue}-unsaved`;
  await site.worker({ taskQueue, concurrency: 2 * SLOTS });
  const jobs = new AgentJobs({ client: site.client, store: site.storeFolder, taskQueue });
  const pidFile = join(site.folder, 'unsaved.pids');
  const shell = (n: number) =>
    n < SLOTS ? `echo $$ >>${pidFile}; sleep 600` : `sleep 0.2; report ${n}`;
  const rows = rowsOf(COUNT, shell);
  const spec = await lightSpec(site, rows, { max_concurrency: 2 * SLOTS });
  // Outcomes are files of a folder, which is none.
  const outcomes = join(site.storeFolder, 'jobs/unsaved/outcomes');
  await mkdir(dirname(outcomes), { recursive: true });
  await writeFile(outcomes, '');
  const { jobId } = await jobs.start(spec, { jobId: 'unsaved' });
  const handle = site.client.workflow.getHandle(jobId);
  // It is about to continue as new, and waits for what is to be saved first.
  await until('the job would continue as new', async () => {
    const { historyLength } = await handle.describe();
    return historyLength >= THRESHOLD + 10 && (await pidsIn(pidFile)).length === SLOTS;
  });
  await handle.cancel();
  for (const pid of await pidsIn(pidFile)) {
    await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
  }
  await rm(outcomes);
  const summary = await jobs.job(jobId).result();
  assert.equal(summary.verdict, 'cancelled');
  assert.ok(summary.cancelled >= SLOTS);
  await assertConsistent(jobId, summary, 2 * SLOTS);
});

describe('before the input is open', () => {
  let openings = 0;
  /** A job that no worker has taken up, with what was sent to it. */
  async function unopened(): Promise<[string, string]> {
    const taskQueue = `${site.taskQueue}-unopened-${(openings += 1)}`;
    const { client } = site;
    const spec = await lightSpec(site, rowsOf(3, String));
    const jobId = `unopened-${openings}`;
    await client.workflow.start(JOB_WORKFLOW, { workflowId: jobId, taskQueue, args: [spec] });
    return [jobId, taskQueue];
  }

  it('a stop starts nothing', async () => {
    const [jobId, taskQueue] = await unopened();
    await site.client.workflow.getHandle(jobId).signal(stopSignal, { reason: 'not yet' });
    await site.worker({ taskQueue });
    const summary = await site.jobs.job(jobId).result();
    const { verdict, stop_reason, pending } = summary;
    assert.deepEqual(
      { verdict, stop_reason, pending },
      { verdict: 'stopped', stop_reason: 'not yet', pending: 3 },
    );
    await assertConsistent(jobId, summary);
    assert.equal((await itemsOf(site.client, jobId)).length, 0);
  });

  it('a cancel ends the job with nothing done', async () => {
    const [jobId, taskQueue] = await unopened();
    const handle = site.client.workflow.getHandle(jobId);
    await handle.cancel();
    await site.worker({ taskQueue });
    const { verdict, total, output_error } = await site.jobs.job(jobId).result();
    assert.deepEqual(
      { verdict, total, output_error },
      {
        verdict: 'cancelled',
        total: 0,
        output_error: 'the job was cancelled before its input was open',
      },
    );
    assert.equal((await handle.describe()).status.name, 'CANCELLED');
    assert.equal((await itemsOf(site.client, jobId)).length, 0);
  });
});
