/** What operators ask of a job while it runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ControlRefused, type JobHandle } from '../src/client.js';
import { itemsOf, mostInFlight, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, type Step, readOutput, temporalCli, until } from './support/site.js';

const THRESHOLD = 60;

let site: Site;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': THRESHOLD },
  });
  await site.worker({ concurrency: 32 });
});
after(() => site.close());

const gate = (name: string) => join(site.folder, name);
const running = (job: JobHandle, count: number) =>
  until(`${count} rows run`, async () => (await job.status()).running === count);

/** Rows that wait for files named after them. */
function gated(ids: string[], folder: string): Record<string, Step[]> {
  return Object.fromEntries(
    ids.map((id) => [
      id,
      [
        ['touch', gate(`${folder}-${id}-began`)],
        ['wait-for', gate(`${folder}-${id}`)],
        ['report', id],
      ],
    ]),
  );
}

const ids = (count: number) => Array.from({ length: count }, (_, n) => `r${n}`);

describe('a job is controlled while it runs', { concurrency: 4 }, () => {
  it('follows a concurrency that is raised, and one that is lowered, within a second', async () => {
    const spec = await site.spec(gated(ids(10), 'c'), { max_concurrency: 2 });
    const job = await site.jobs.start(spec);
    await running(job, 2);
    const asked = Date.now();
    await job.set({ max_concurrency: 5 });
    await until('five rows run', async () => (await job.status()).running === 5, 5000);
    assert.ok(Date.now() - asked < 1000, `it took ${Date.now() - asked} ms`);

    await job.set({ max_concurrency: 1 });
    assert.equal((await job.status()).max_concurrency, 1);
    // Those that run come to their end, and none is started in their place.
    for (const id of ids(4)) await site.file(`c-${id}`, '');
    await until('four are done', async () => (await job.status()).completed === 4);
    const { running: left, pending } = await job.status();
    assert.deepEqual([left, pending], [1, 5]);
    for (const id of ids(10)) await site.file(`c-${id}`, '');
    assert.equal((await job.result()).verdict, 'succeeded');
    const items = await itemsOf(site.client, job.jobId);
    const late = items.filter(({ memo }) => Number(memo?.['row_index']) >= 5);
    assert.equal(mostInFlight(late), 1);
  });

  it('starts no rows while it is paused, and says so', async () => {
    const spec = await site.spec(gated(ids(4), 'p'), { max_concurrency: 2 });
    const job = await site.jobs.start(spec, { jobId: 'paused' });
    await running(job, 2);
    await job.pause('lunch');
    await site.file('p-r0', '');
    await site.file('p-r1', '');
    const status = await until('those that ran are done', async () => {
      const now = await job.status();
      return now.completed === 2 && now;
    });
    assert.deepEqual([status.state, status.running, status.pending], ['paused', 0, 2]);
    assert.deepEqual([status.paused?.reason, status.paused?.until], ['lunch', null]);
    const shown = await cli(['status', 'paused'], { env: site.processEnv });
    assert.match(shown.stdout, /paused +lunch/);
    assert.equal(existsSync(gate('p-r2-began')), false);
    for (const id of ids(4)) await site.file(`p-${id}`, '');
    await job.resume();
    assert.deepEqual(
      [(await job.result()).verdict, (await job.status()).paused],
      ['succeeded', null],
    );
  });

  it('stays as it was set when it continues as new', async () => {
    const shell = (n: number) => `sleep 0.1; report ${n}`;
    const spec = await lightSpec(site, rowsOf(60, shell), { max_concurrency: 4 });
    const job = await site.jobs.start(spec);
    await job.set({ max_concurrency: 6, max_runtime_seconds: 77 });
    // Whenever they come, all are answered.
    let asked = 0;
    for (; (await job.status()).completed < 40; asked += 1) {
      await job.pause();
      await job.resume();
    }
    assert.ok(asked > 3);
    assert.equal((await job.status()).max_concurrency, 6);
    assert.equal((await job.result()).verdict, 'succeeded');
    assert.ok((await runsOf(site.client, job.jobId)).length > 2);
    const last = await site.client.workflow.getHandle(`${job.jobId}/r059`).fetchHistory();
    const input = last.events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0]!;
    const { limits } = JSON.parse(Buffer.from(input.data!).toString()) as {
      limits: { max_runtime_seconds: number };
    };
    assert.equal(limits.max_runtime_seconds, 77);
  });

  it('is paused while it continues as new, and goes on after that', async () => {
    const shell = (n: number) => `sleep 0.1; report ${n}`;
    const spec = await lightSpec(site, rowsOf(40, shell), { max_concurrency: 8 });
    const job = await site.jobs.start(spec);
    await until('some are done', async () => (await job.status()).completed > 8);
    await job.pause();
    await until('none runs', async () => (await job.status()).running === 0);
    const { completed } = await job.status();
    const before = (await runsOf(site.client, job.jobId)).length;
    // Each leaves events, and so another run.
    for (let n = 0; n < THRESHOLD / 2; n += 1) await job.set({ max_concurrency: 8 });
    const after = (await runsOf(site.client, job.jobId)).length;
    assert.ok(after > before, `${after} runs after ${before}`);
    assert.deepEqual(
      [(await job.status()).state, (await job.status()).completed],
      ['paused', completed],
    );
    await job.resume();
    assert.equal((await job.result()).completed, 40);
  });

  it('ends one item, running or not, and goes on with the others', async () => {
    const rows = gated(['a', 'b', 'c', 'd'], 'i');
    const spec = await site.spec(rows, { max_concurrency: 1 });
    const job = await site.jobs.start(spec, { jobId: 'one-item' });
    await until('the first has begun', () => existsSync(gate('i-a-began')));
    await job.cancelItem('c');
    assert.equal((await job.status()).cancelled, 1);
    await assert.rejects(job.cancelItem('c'), /has ended already/);
    await assert.rejects(job.cancelItem('nobody'), /no item nobody/);
    await job.cancelItem('a');
    for (const id of ['b', 'd']) await site.file(`i-${id}`, '');
    const summary = await job.result();
    assert.deepEqual(
      [summary.verdict, summary.completed, summary.cancelled, summary.pending],
      ['partial', 2, 2, 0],
    );
    const output = await readOutput(summary.output_csv_path);
    assert.deepEqual(
      output.map(({ status, attempt_count }) => [status, attempt_count]),
      [
        ['cancelled', '1'],
        ['completed', '1'],
        ['cancelled', '0'],
        ['completed', '1'],
      ],
    );
    assert.equal(existsSync(gate('i-c-began')), false);
  });

  it('ends an item that an earlier run of the job has started', async () => {
    const shell = (n: number) => (n === 0 ? 'sleep 600' : `sleep 0.1; report ${n}`);
    const spec = await lightSpec(site, rowsOf(30, shell), { max_concurrency: 4 });
    const job = await site.jobs.start(spec);
    await until('the others are done', async () => (await job.status()).completed === 29);
    assert.ok((await runsOf(site.client, job.jobId)).length > 1);
    await job.cancelItem('r000');
    assert.deepEqual(
      [(await job.result()).verdict, (await job.result()).cancelled],
      ['partial', 1],
    );
  });

  it('refuses what it cannot do, and changes nothing', async () => {
    const spec = await site.spec(gated(['a'], 'n'), { max_concurrency: 3 });
    const job = await site.jobs.start(spec);
    await running(job, 1);
    const handle = site.client.workflow.getHandle(job.jobId);
    const set = (...args: unknown[]) =>
      handle.executeUpdate<unknown, unknown[]>('set', { args });
    const errorsOf = async (...args: unknown[]) => {
      const answer = (await set(...args)) as { accepted: boolean; errors: { path: string }[] };
      assert.equal(answer.accepted, false);
      return answer.errors.map(({ path }) => path);
    };
    assert.deepEqual(await errorsOf({ max_concurrency: 0 }), ['/max_concurrency']);
    assert.deepEqual(await errorsOf({ max_concurrency: 4, speed: 9 }), ['']);
    assert.deepEqual(await errorsOf({}), ['']);
    assert.deepEqual(await errorsOf(), ['']);
    assert.deepEqual(await errorsOf('fast'), ['']);
    await assert.rejects(job.set({ max_concurrency: 5000 }), ControlRefused);
    assert.equal((await job.status()).max_concurrency, 3);
    await job.stop();
    await assert.rejects(job.resume(), /stopped/);
    await site.file('n-a', '');
    await job.result();
    await assert.rejects(job.pause(), { name: 'WorkflowNotFoundError' });
  });

  it('is told by the command line, and by the Temporal CLI', async () => {
    const spec = await site.spec(gated(ids(3), 't'), { max_concurrency: 1 });
    const job = await site.jobs.start(spec, { jobId: 'told' });
    await running(job, 1);
    const run = (...args: string[]) => cli(args, { env: site.processEnv });
    const set = await run('set', 'told', '--max-concurrency', '2');
    assert.deepEqual([set.code, set.stderr], [0, '']);
    await running(job, 2);
    const wrong = await run('set', 'told', '--max-concurrency', '0');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /max_concurrency: Too small/);
    assert.equal((await run('set', 'told')).code, 2);
    assert.equal((await run('pause', 'told', '--reason', 'why not')).code, 0);
    assert.equal((await job.status()).paused?.reason, 'why not');
    assert.equal((await run('resume', 'told')).code, 0);
    assert.equal((await run('cancel', 'told', 'r2')).code, 0);
    assert.equal((await job.status()).cancelled, 1);

    const update = async (name: string, input?: object) => {
      const { stdout } = await promisify(execFile)(
        temporalCli(),
        [
          ...['workflow', 'update', 'execute', '--workflow-id', 'told', '--name', name],
          ...(input === undefined ? [] : ['--input', JSON.stringify(input)]),
          ...['-o', 'json'],
        ],
        { env: site.processEnv },
      );
      return (JSON.parse(stdout) as { result: { accepted: boolean } }).result;
    };
    assert.deepEqual(await update('pause'), { accepted: true });
    assert.equal((await job.status()).state, 'paused');
    assert.deepEqual(await update('resume'), { accepted: true });
    assert.deepEqual(await update('set', { max_concurrency: 4 }), { accepted: true });
    assert.equal((await update('cancel_item', { item_id: 'r2' })).accepted, false);
    assert.deepEqual(await update('cancel_item', { item_id: 'r1' }), { accepted: true });
    assert.deepEqual(await update('stop', { reason: 'enough' }), { accepted: true });
    await site.file('t-r0', '');
    assert.equal((await job.result()).stop_reason, 'enough');
    const late = await run('pause', 'told');
    assert.deepEqual([late.code, late.stdout], [0, 'Job told has ended already: partial.\n']);
  });
});
