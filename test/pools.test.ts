/** Jobs that share a limit: never more in flight of all of them than it has slots, and each has its share. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobHandle, JobSpec, PoolView } from '../src/client.js';
import { POOL_WORKFLOW, poolGrantSignal, poolQuery, poolWorkflowId } from '../src/messages.js';
import type { AgentJobsWorker } from '../src/worker.js';
import { itemsOf, mostInFlight, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { LIGHT_AGENT, lightSpec, rowsOf } from './support/light-agent.js';
import { Site, statusOf, temporalCli, until } from './support/site.js';

let site: Site;
let worker: AgentJobsWorker;
before(async () => {
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  worker = await site.worker({ concurrency: 32 });
});
after(() => site.close());

/** A job of rows that wait to be reported. */
async function external(jobId: string, pool: string, size: number, spec: Partial<JobSpec> = {}) {
  const rows = rowsOf(20, () => '');
  const input = await lightSpec(site, rows, {
    agent: { external: true },
    max_concurrency: 10,
    pool: { name: pool, size },
    ...spec,
  });
  return site.jobs.start(input, { jobId });
}

const pool = (name: string) => site.client.workflow.getHandle(poolWorkflowId(name));
const view = (name: string): Promise<PoolView> => pool(name).query(poolQuery);
const slotsOf = ({ jobs }: PoolView) =>
  Object.fromEntries(jobs.map(({ job_id, slots, held }) => [job_id, [slots, held]]));

const joined = (name: string, count: number) =>
  until(`${count} jobs have joined ${name}`, async () => {
    const { jobs } = await view(name).catch(() => ({ jobs: [] }));
    return jobs.length === count;
  });

/** Waits until a job that could use ten slots knows how many it may. */
const granted = (job: JobHandle, name: string, slots: number) =>
  until(`${job.jobId} knows of its ${slots} slots`, async () => {
    const { waiting_for } = await job.status();
    return waiting_for === `pool ${name} (${slots} of 10 slots granted)`;
  });

async function runningIds(job: JobHandle): Promise<string[]> {
  const ids: string[] = [];
  for await (const { item_id } of job.items('running')) ids.push(item_id);
  return ids;
}

const run = (job: JobHandle, count: number) =>
  until(`${count} rows of ${job.jobId} run`, async () => {
    const { running } = await job.status();
    return running === count && (await runningIds(job)).length === count;
  });

/** Has the first of the rows that run come to its end. */
async function endOne(job: JobHandle): Promise<void> {
  const { completed } = await statusOf(job);
  // One that has just ended may still be listed.
  await until(`a row of ${job.jobId} is reported`, async () => {
    const [item_id] = await runningIds(job);
    if (item_id === undefined) return false;
    return (await site.jobs.report({ job_id: job.jobId, item_id, result: 1 })).accepted;
  });
  await until('it has ended', async () => (await job.status()).completed > completed);
}

async function end(...jobs: JobHandle[]): Promise<void> {
  for (const job of jobs) {
    await job.cancel();
    await job.result();
  }
}

async function inFlightTogether(...jobs: JobHandle[]): Promise<number> {
  return mostInFlight(
    (await Promise.all(jobs.map(({ jobId }) => itemsOf(site.client, jobId)))).flat(),
  );
}

describe('a pool', { concurrency: 4 }, () => {
  it('is shared: the second job gets its part as rows of the first end', async () => {
    const a = await external('shared-a', 'shared', 4);
    await run(a, 4);
    const b = await external('shared-b', 'shared', 4);
    await granted(b, 'shared', 0);
    assert.equal((await statusOf(b)).running, 0);
    await granted(a, 'shared', 2);
    const shown = await cli(['status', 'shared-b'], { env: site.processEnv });
    assert.match(shown.stdout, /waiting +for pool shared \(0 of 10 slots granted\)/);
    await endOne(a);
    await run(b, 1);
    await endOne(a);
    await run(b, 2);
    await endOne(a);
    await run(a, 2);
    await run(b, 2);
    assert.deepEqual(slotsOf(await view('shared')), { 'shared-a': [2, 2], 'shared-b': [2, 2] });
    assert.equal(await inFlightTogether(a, b), 4);
    await end(a);
    await run(b, 4);
    await end(b);
    // When nobody is left, it is not either.
    await pool('shared').result();
  });

  it('is not what a job waits for that has as many slots as it can use', async () => {
    const job = await external('full', 'roomy', 20);
    await run(job, 10);
    assert.equal((await statusOf(job)).waiting_for, null);
    await end(job);
  });

  it('is not asked for slots for rows that a rerun leaves as they were', async () => {
    const first = await external('kept-first', 'kept-before', 2);
    await run(first, 2);
    await end(first);
    const changes = { pool: { name: 'kept', size: 10 } };
    const again = await site.jobs.rerun('kept-first', { item_ids: ['r003'] }, { changes });
    await run(again, 1);
    await until('it has what it can use', async () => {
      const [lease] = (await view('kept')).jobs;
      return lease?.wants === 1 && lease.slots === 1;
    });
    await end(again);
  });

  it('is that of the job of which rows are run again', async () => {
    const first = await external('pooled-first', 'again-pooled', 2);
    await run(first, 2);
    await end(first);
    const again = await site.jobs.rerun('pooled-first', {}, { jobId: 'pooled-again' });
    await granted(again, 'again-pooled', 2);
    await run(again, 2);
    await end(again);
  });

  it('does not keep a job from its end whose last rows are cancelled before their start', async () => {
    const spec = await lightSpec(
      site,
      rowsOf(2, () => ''),
      { agent: { external: true }, max_concurrency: 1, pool: { name: 'ends', size: 4 } },
    );
    const job = await site.jobs.start(spec, { jobId: 'ends' });
    await run(job, 1);
    await job.cancelItem('r001');
    await endOne(job);
    const { completed, cancelled } = await job.result();
    assert.deepEqual([completed, cancelled], [1, 1]);
  });

  it('continues as new also where all that comes is junk', async () => {
    const job = await external('flooded', 'flooded', 1);
    await run(job, 1);
    const pool = site.client.workflow.getHandle(poolWorkflowId('flooded'));
    await until('it has continued as new', async () => {
      for (let n = 0; n < 10; n += 1) await pool.signal<unknown[]>('pool_ask', 'junk');
      return (await runsOf(site.client, poolWorkflowId('flooded'))).length > 1;
    });
    assert.deepEqual(slotsOf(await view('flooded')), { flooded: [1, 1] });
    await end(job);
  });

  it('takes back what a job held that was terminated by hand', async () => {
    const a = await external('dead-a', 'dead', 3);
    await run(a, 3);
    const b = await external('dead-b', 'dead', 3);
    await until('it waits', async () => (await b.status()).waiting_for !== null);
    await site.client.workflow.getHandle('dead-a').terminate('by hand');
    await run(b, 3);
    assert.deepEqual(slotsOf(await view('dead')), { 'dead-b': [3, 3] });
    await end(b);
    await a.cancel();
  });

  it('gets back what a job does not use while it is paused, and at once when it is stopped', async () => {
    const a = await external('paused-a', 'paused', 2);
    await run(a, 2);
    const b = await external('paused-b', 'paused', 2);
    await joined('paused', 2);
    await a.pause();
    await endOne(a);
    await run(b, 1);
    await endOne(a);
    await run(b, 2);
    assert.equal((await statusOf(a)).state, 'paused');
    await a.resume();
    await granted(b, 'paused', 1);
    await endOne(b);
    await run(a, 1);
    await b.stop();
    await endOne(b);
    await run(a, 2);
    assert.equal((await b.result()).verdict, 'stopped');
    await end(a);
  });

  it('gets back what a job does not use while it waits for its quota, and gives it again', async () => {
    const met = join(site.folder, 'quota-met');
    const rows = rowsOf(6, (n) =>
      n > 0
        ? `report ${n}`
        : `[ -e ${met} ] && report 0 || { touch ${met}; echo 'retry after 600 s'; exit 75; }`,
    );
    const a = await site.jobs.start(
      await lightSpec(site, rows, {
        agent: { command: LIGHT_AGENT, quota_exit_code: 75 },
        max_concurrency: 10,
        pool: { name: 'quota', size: 2 },
      }),
      { jobId: 'quota-a' },
    );
    const b = await external('quota-b', 'quota', 2);
    await until('it waits', async () => (await a.status()).state === 'paused');
    await run(b, 2);
    await a.resume();
    await granted(b, 'quota', 1);
    await endOne(b);
    assert.deepEqual((await a.result()).completed, 6);
    await run(b, 2);
    assert.ok((await inFlightTogether(a, b)) <= 2);
    await end(b);
  });

  it('is never exceeded, through runs of jobs and pool and with another worker', async () => {
    const SIZE = 5;
    const jobs: JobHandle[] = [];
    for (const name of ['x', 'y', 'z']) {
      const rows = rowsOf(30, (n) => `sleep 0.1; report ${n}`);
      const spec = { max_concurrency: 8, pool: { name: 'busy', size: SIZE } };
      jobs.push(
        await site.jobs.start(await lightSpec(site, rows, spec), { jobId: `busy-${name}` }),
      );
    }
    await until('some are done', async () => (await jobs[0]!.status()).completed > 5);
    const other = await site.worker({ concurrency: 32 });
    worker.shutdown();
    await worker.done;
    worker = other;
    const runs = runsOf(site.client, poolWorkflowId('busy'));
    for (const job of jobs) assert.equal((await job.result()).completed, 30);
    assert.ok((await inFlightTogether(...jobs)) <= SIZE);
    assert.ok((await runs).length > 0);
    await pool('busy').result();
    assert.ok((await runsOf(site.client, poolWorkflowId('busy'))).length > 1);
  });

  it('that was ended by hand is there again, and is told what its jobs hold', async () => {
    const a = await external('again-a', 'again', 4);
    await run(a, 4);
    const b = await external('again-b', 'again', 4);
    await granted(a, 'again', 2);
    await endOne(a);
    await run(b, 1);
    await pool('again').terminate('by hand');
    await joined('again', 2);
    await endOne(a);
    await run(a, 2);
    await run(b, 2);
    assert.equal(await inFlightTogether(a, b), 4);
    await end(a, b);
  });

  it('has the smallest of the sizes that its jobs were told', async () => {
    const a = await external('size-a', 'sizes', 4);
    await run(a, 4);
    const b = await external('size-b', 'sizes', 2);
    await granted(a, 'sizes', 1);
    assert.equal((await view('sizes')).size, 2);
    for (let n = 0; n < 3; n += 1) await endOne(a);
    await run(a, 1);
    await run(b, 1);
    await end(b);
    await run(a, 4);
    await end(a);
  });

  it('is not led astray by what may arrive, nor are its jobs', async () => {
    const a = await external('junk-a', 'junk', 2);
    await run(a, 2);
    const ask = { job_id: 'nobody', number: 1, granted: 0, size: 1, wants: 1, slots: 1, holds: 1 };
    const asks: unknown[][] = [
      [],
      [null],
      [ask, ask],
      [{ ...ask, size: 0 }],
      [{ ...ask, holds: 1e9 }],
      [{ ...ask, job_id: 'a/b' }],
      // There is no such job, so that it has ended.
      [ask],
      // An older one of a job that is there.
      [{ ...ask, job_id: 'junk-a', number: 0, wants: 0, holds: 0 }],
    ];
    for (const args of asks) {
      await site.client.workflow
        .getHandle(poolWorkflowId('junk'))
        .signal<unknown[]>('pool_ask', ...args);
    }
    const undecodable = (workflowId: string, name: string) =>
      execFileSync(
        temporalCli(),
        ['workflow', 'signal', '--workflow-id', workflowId, '--name', name].concat([
          '--input',
          '1',
          '--input-meta',
          'encoding=binary/unknown',
        ]),
        { env: site.processEnv },
      );
    undecodable(poolWorkflowId('junk'), 'pool_ask');
    undecodable('junk-a', 'pool_grant');
    const job = site.client.workflow.getHandle('junk-a');
    for (const grant of [
      null,
      { pool: 'other', number: 99, asked: 1, slots: 9 },
      { pool: 'junk', number: 0, asked: 1, slots: 9 },
      { pool: 'junk', number: 99, asked: 1, slots: -1 },
    ]) {
      await job.signal(poolGrantSignal, grant);
    }
    await until('it is the only one', async () => {
      const { size, jobs } = await view('junk');
      return size === 2 && jobs.length === 1;
    });
    await endOne(a);
    await run(a, 2);
    assert.equal(await inFlightTogether(a), 2);
    await end(a);
  });

  it('takes no leases of whoever starts it', async () => {
    const handle = await site.client.workflow.start(POOL_WORKFLOW, {
      taskQueue: site.taskQueue,
      workflowId: poolWorkflowId('idle'),
      args: [[{ job_id: 'nobody', held: 5 }]],
    });
    assert.deepEqual((await handle.query(poolQuery)).jobs, []);
    await handle.terminate();
  });

  it('is named on the command line, and refused where it is none', async () => {
    const input = await site.file('pool.csv', 'id\n1\n');
    const typed = (...options: string[]) =>
      cli(['run', input, '--instruction', 'x', '--external', '--detach', ...options], {
        env: site.processEnv,
      });
    assert.match((await typed('--pool', 'p')).stderr, /--pool and --pool-size go together/);
    assert.match((await typed('--pool', 'a b', '--pool-size', '2')).stderr, /1 to 64 characters/);
    assert.match((await typed('--pool', 'p', '--pool-size', '0')).stderr, /--pool/);
    const options = ['--pool', 'typed', '--pool-size', '2', '--job-id', 'pooled'];
    assert.equal((await typed(...options)).code, 0);
    await run(site.jobs.job('pooled'), 1);
    assert.deepEqual(slotsOf(await view('typed')), { pooled: [1, 1] });
    await end(site.jobs.job('pooled'));
  });
});
