/** How fast the rows of a job start. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JobHandle } from '../src/client.js';
import { runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, statusOf, until } from './support/site.js';

let site: Site;
before(async () => {
  // So that jobs continue as new between one row and the next.
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
  await site.worker({ concurrency: 32 });
});
after(() => site.close());

const external = { agent: { external: true as const }, max_concurrency: 10 };
const isRunning = (job: JobHandle, count: number) =>
  until(`${count} rows run`, async () => (await job.status()).running === count);

async function end(job: JobHandle): Promise<void> {
  await job.cancel();
  await job.result();
}

/** When the job has asked the server to start each row, by the histories of its runs. */
async function startsOf(job: JobHandle): Promise<number[]> {
  const starts: number[] = [];
  for (const runId of await runsOf(site.client, job.jobId)) {
    const { events } = await site.client.workflow.getHandle(job.jobId, runId).fetchHistory();
    let now = 0;
    for (const { eventTime, ...event } of events ?? []) {
      if (event.workflowTaskStartedEventAttributes) {
        now = Number(eventTime!.seconds) * 1000 + Math.floor(eventTime!.nanos! / 1e6);
      }
      if (event.startChildWorkflowExecutionInitiatedEventAttributes) starts.push(now);
    }
  }
  return starts;
}

/** Of any rows in a row, so many may have started together, and the others each so long apart. */
function assertRate(starts: number[], { together, apart }: { together: number; apart: number }) {
  for (const [first, from] of starts.entries()) {
    for (let last = first + together; last < starts.length; last += 1) {
      const took = starts[last]! - from;
      const least = (last - first + 1 - together) * apart - 1;
      assert.ok(took >= least, `rows ${first} to ${last} within ${took} ms: ${starts.join(' ')}`);
    }
  }
}

describe('a job with a rate', { concurrency: 4 }, () => {
  it('starts rows evenly, however many slots there are and through its runs', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(24, (n) => `report ${n}`),
      { max_concurrency: 24, rate: '4/s' },
    );
    const job = await site.jobs.start(spec);
    assert.equal((await job.result()).completed, 24);
    const starts = await startsOf(job);
    assert.equal(starts.length, 24);
    assertRate(starts, { together: 4, apart: 250 });
    assert.ok((await runsOf(site.client, job.jobId)).length > 2);
  });

  it('starts rows of a high rate together, on a timer for some of them', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(60, (n) => `report ${n}`),
      { max_concurrency: 60, rate: '20/s' },
    );
    const job = await site.jobs.start(spec);
    assert.equal((await job.result()).completed, 60);
    assertRate(await startsOf(job), { together: 20, apart: 50 });
    let timers = 0;
    for (const runId of await runsOf(site.client, job.jobId)) {
      const { events } = await site.client.workflow.getHandle(job.jobId, runId).fetchHistory();
      const open = new Set<string>();
      for (const event of events ?? []) {
        const started = event.timerStartedEventAttributes?.timerId;
        const over = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
        if (started) open.add(started);
        if (over?.timerId) open.delete(over.timerId);
        if (started) timers += 1;
        // The other one is that of the outcomes.
        assert.ok(open.size <= 2, `${open.size} timers at once`);
      }
    }
    assert.ok(timers < 40, `${timers} timers`);
  });

  it('follows a rate that is raised, at once, and says what it waits for', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(6, () => ''),
      { ...external, rate: '1/h' },
    );
    const job = await site.jobs.start(spec, { jobId: 'raised' });
    await isRunning(job, 1);
    assert.equal((await statusOf(job)).waiting_for, 'rate 1/h');
    const shown = await cli(['status', 'raised'], { env: site.processEnv });
    assert.match(shown.stdout, /waiting +for rate 1\/h/);
    const set = await cli(['set', 'raised', '--rate', '4/s'], { env: site.processEnv });
    assert.match(set.stdout, /rate 4\/s/);
    await isRunning(job, 6);
    assertRate(await startsOf(job), { together: 4, apart: 250 });
    assert.equal((await statusOf(job)).waiting_for, null);
    await end(job);
  });

  it('follows a rate that is lowered, one that is given later, and one that is taken away', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(10, () => ''),
      { ...external, max_concurrency: 2 },
    );
    const job = await site.jobs.start(spec);
    // One that is asked for counts as running before it has started.
    const report = (n: number) =>
      until(`row ${n} is reported`, async () => {
        const report = { job_id: job.jobId, item_id: `r00${n}`, result: n };
        return (await site.jobs.report(report)).accepted;
      });
    await isRunning(job, 2);
    assert.equal((await statusOf(job)).waiting_for, null);
    await job.set({ rate: '2/h' });
    await report(0);
    await report(1);
    // One has been saved, and no more.
    await until('two are done', async () => {
      const { completed, running, waiting_for } = await job.status();
      return completed === 2 && running === 1 && waiting_for === 'rate 2/h';
    });
    await job.set({ max_concurrency: 10, rate: '1/h' });
    assert.equal((await statusOf(job)).running, 1);
    await job.set({ rate: 'off' });
    await isRunning(job, 8);
    await end(job);
  });

  it('keeps its word to the millisecond where it continues as new', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(4, () => ''),
      { ...external, rate: '12/m' },
    );
    const job = await site.jobs.start(spec);
    // Each leaves events, and so now and then another run.
    await until('all rows run', async () => {
      await job.set({ max_concurrency: 10 });
      return (await job.status()).running === 4;
    });
    assertRate(await startsOf(job), { together: 1, apart: 5000 });
    const runs = (await runsOf(site.client, job.jobId)).length;
    assert.ok(runs > 3, `${runs} runs`);
    await end(job);
  });

  it('is refused where it is no rate', async () => {
    const spec = await lightSpec(site, { a: '' }, external);
    for (const rate of ['30', '30/d', '0/s', '1.5/s', '-1/m', ' 1/s']) {
      await assert.rejects(site.jobs.start({ ...spec, rate }), /rate: must be rows in a second/);
    }
    const job = await site.jobs.start(spec);
    await assert.rejects(job.set({ rate: 'fast' }), /rate: must be rows in a second/);
    await end(job);
  });
});
