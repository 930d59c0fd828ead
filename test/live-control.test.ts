/** What operators ask of a job while it runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ControlRefused, type JobHandle, type JobStatus } from '../src/client.js';
import { itemsOf, mostInFlight, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { setUpdate, verdictAttribute } from '../src/messages.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, type Step, readOutput, statusOf, temporalCli, until } from './support/site.js';

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

/** How many rows a job has asked for in the very workflow task that has granted what it was asked. */
async function startedWithUpdate(job: JobHandle): Promise<number> {
  const { events } = await site.client.workflow.getHandle(job.jobId).fetchHistory();
  const granted = events!.findIndex(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
  );
  const task = events!.slice(0, granted).findLast((e) => e.workflowTaskCompletedEventAttributes)!;
  const starts = events!.flatMap(
    (event) => event.startChildWorkflowExecutionInitiatedEventAttributes ?? [],
  );
  const ofTask = starts.filter(({ workflowTaskCompletedEventId }) =>
    task.eventId!.eq(workflowTaskCompletedEventId!),
  );
  return ofTask.length;
}

const ids = (count: number) => Array.from({ length: count }, (_, n) => `r${n}`);

describe('a job is controlled while it runs', { concurrency: 4 }, () => {
  it('follows a concurrency that is raised, and one that is lowered, at once', async () => {
    const spec = await site.spec(gated(ids(10), 'c'), { max_concurrency: 2 });
    const job = await site.jobs.start(spec);
    await running(job, 2);
    await job.set({ max_concurrency: 5 });
    await running(job, 5);
    assert.equal(await startedWithUpdate(job), 3);

    await job.set({ max_concurrency: 1 });
    assert.equal((await statusOf(job)).max_concurrency, 1);
    // Those that run come to their end, and none is started in their place.
    for (const id of ids(4)) await site.file(`c-${id}`, '');
    await until('four are done', async () => (await job.status()).completed === 4);
    const { running: left, pending } = await statusOf(job);
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
    // The Web UI shows the same.
    const details = async () => {
      const handle = site.client.workflow.getHandle('paused');
      const metadata = await handle.query<{ currentDetails: string }>(
        '__temporal_workflow_metadata',
      );
      return metadata.currentDetails;
    };
    assert.match(await details(), /^\*\*paused\*\*: 2 of 4 rows \(50 %\)\n[^]*\nPaused: lunch\n/);
    assert.equal(existsSync(gate('p-r2-began')), false);
    for (const id of ids(4)) await site.file(`p-${id}`, '');
    await job.resume();
    assert.deepEqual(
      [(await job.result()).verdict, (await job.status()).paused],
      ['succeeded', null],
    );
    assert.match(await details(), /^\*\*closed\*\*: 4 of 4 rows/);
    const { typedSearchAttributes } = await site.client.workflow.getHandle('paused').describe();
    assert.equal(typedSearchAttributes.get(verdictAttribute), 'succeeded');
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
    assert.equal((await statusOf(job)).max_concurrency, 6);
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
    const { completed } = await statusOf(job);
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
    assert.equal((await statusOf(job)).cancelled, 1);
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

  it('starts an item that has ended once more, and has the last result', async () => {
    const once = gate('retried-once');
    const rows = {
      // Fails the first time, and is worth a person's look the second time.
      bad: `if [ -e ${once} ]; then echo better; report 2; else touch ${once}; echo worse; exit 1; fi`,
      good: `report '"'$RANDOM$RANDOM'"'`,
      // Above what is kept inline.
      large: `report '"'$(head -c 5000 /dev/zero | tr '\\0' x)$RANDOM'"'`,
      last: `until [ -e ${gate('retried-all')} ]; do sleep 0.05; done; report 1`,
    };
    const spec = await lightSpec(site, rows, { max_concurrency: 4 });
    const job = await site.jobs.start(spec, { jobId: 'retried' });
    const is = (what: Partial<JobStatus>) =>
      until(JSON.stringify(what), async () => {
        const status = await job.status();
        return Object.entries(what).every(
          ([key, value]) => status[key as keyof JobStatus] === value,
        );
      });
    await is({ completed: 2, failed: 1 });
    const resultsOf = async () => {
      const path = await job.results(gate('retried-now.csv'), { overwrite: true });
      return Object.fromEntries(
        (await readOutput(path)).map(({ id, result_json }) => [id, result_json]),
      );
    };
    const before = await resultsOf();
    await assert.rejects(job.retryItem('last'), /item last runs/);
    await assert.rejects(job.retryItem('nobody'), /no item nobody/);
    await job.pause();
    await job.retryItem('bad');
    await assert.rejects(job.retryItem('bad'), /again already/);
    // In one step: whoever asks sees all rows, each once.
    const { completed, failed, pending, running, total, failures } = await statusOf(job);
    assert.deepEqual([completed, failed, pending, running, total], [2, 0, 1, 1, 4]);
    assert.deepEqual(failures, []);
    await job.resume();
    await is({ completed: 3, failed: 0 });
    for (const id of ['good', 'large']) await job.retryItem(id);
    await is({ completed: 3, running: 1 });
    await job.retryItem('bad');
    await is({ completed: 3, running: 1 });
    await site.file('retried-all', '');
    const summary = await job.result();
    assert.deepEqual([summary.verdict, summary.completed, summary.failed], ['succeeded', 4, 0]);

    const after = await readOutput(summary.output_csv_path);
    assert.deepEqual(
      after.map(({ id }) => id),
      Object.keys(rows),
    );
    for (const id of ['good', 'large']) {
      assert.notEqual(after.find((row) => row['id'] === id)!['result_json'], before[id]);
    }
    const logs = await job.logs('bad');
    assert.deepEqual(
      logs.map(({ generation, attempt, run, text }) => [generation, attempt, run, text]),
      [
        [1, 1, 1, 'worse\n'],
        [2, 1, 1, 'better\nanswer 200\n'],
        [3, 1, 1, 'better\nanswer 200\n'],
      ],
    );
    const ids: string[] = [];
    for await (const { workflow_id } of job.items()) ids.push(workflow_id);
    assert.deepEqual(ids, ['retried/bad/3', 'retried/good/2', 'retried/large/2', 'retried/last']);
    const told = await cli(['logs', 'retried', 'bad'], { env: site.processEnv });
    assert.match(told.stderr, /Retry 2, attempt 1, run 1:/);
  });

  it('starts cancelled rows again, and leaves those as they were that it does not come to', async () => {
    const rows = gated(['a', 'b', 'c'], 'again');
    const spec = await site.spec(rows, { max_concurrency: 1 });
    const job = await site.jobs.start(spec);
    await until('the first has begun', () => existsSync(gate('again-a-began')));
    await assert.rejects(job.retryItem('b'), /not been started/);
    await job.cancelItem('b');
    await job.cancelItem('c');
    for (const id of ['b', 'c']) await job.retryItem(id);
    assert.deepEqual([(await statusOf(job)).cancelled, (await statusOf(job)).pending], [0, 2]);
    await site.file('again-a', '');
    await until('one is there again', () => existsSync(gate('again-b-began')));
    await job.stop();
    await site.file('again-b', '');
    const { verdict, completed, cancelled, pending, output_csv_path } = await job.result();
    assert.deepEqual([verdict, completed, cancelled, pending], ['partial', 2, 1, 0]);
    const output = await readOutput(output_csv_path);
    assert.deepEqual(
      output.map(({ status }) => status),
      ['completed', 'completed', 'cancelled'],
    );
  });

  it('carries what is to be started again, and what has been, when it continues as new', async () => {
    const shell = (n: number) =>
      n === 0
        ? `until [ -e ${gate('carried')} ]; do sleep 0.05; done; report 0`
        : `sleep 0.05; report ${n}`;
    const spec = await lightSpec(site, rowsOf(8, shell), { max_concurrency: 2 });
    const job = await site.jobs.start(spec, { jobId: 'carried' });
    await until('the others are done', async () => (await job.status()).completed === 7);
    const renewed = async (what: () => Promise<unknown>) => {
      const before = (await runsOf(site.client, job.jobId)).length;
      await until('it continues as new', async () => {
        await what();
        return (await runsOf(site.client, job.jobId)).length > before;
      });
    };
    await job.pause();
    for (const n of [1, 2, 3]) await job.retryItem(`r00${n}`);
    await renewed(() => job.set({ max_concurrency: 2 }));
    assert.deepEqual([(await statusOf(job)).completed, (await statusOf(job)).pending], [4, 3]);
    await job.resume();
    await until('they are done', async () => (await job.status()).completed === 7);
    await job.cancelItem('r000');
    await job.result();
    const ids: string[] = [];
    for await (const { workflow_id, status } of job.items()) ids.push(`${status} ${workflow_id}`);
    assert.deepEqual(ids.slice(0, 5), [
      'cancelled carried/r000',
      'completed carried/r001/2',
      'completed carried/r002/2',
      'completed carried/r003/2',
      'completed carried/r004',
    ]);
  });

  it('gives a row back as it was where its retry is taken back before it is started', async () => {
    const spec = await site.spec(
      { a: [], b: [] },
      { agent: { external: true }, max_concurrency: 1 },
    );
    const job = await site.jobs.start(spec, { jobId: 'taken-back' });
    const report = (item_id: string, result: string) =>
      until(`${item_id} is reported`, async () => {
        return (await site.jobs.report({ job_id: job.jobId, item_id, result })).accepted;
      });
    await report('a', 'paid for');
    await until('b runs', async () => (await job.status()).completed === 1);
    await job.retryItem('a');
    assert.equal((await statusOf(job)).completed, 0);
    await job.pause();
    await report('b', 'also');
    await until('b has ended', async () => (await job.status()).running === 0);
    await job.cancelItem('a');
    // There is nothing left to do.
    const { verdict, completed, cancelled, output_csv_path } = await job.result();
    assert.deepEqual([verdict, completed, cancelled], ['succeeded', 2, 0]);
    assert.deepEqual(
      (await readOutput(output_csv_path)).map((row) => row['result_json']),
      ['"paid for"', '"also"'],
    );
  });

  it('gives a row of an earlier job back as it was, too', async () => {
    const spec = await site.spec({ a: [], b: [] }, { agent: { external: true } });
    const first = await site.jobs.start(spec, { jobId: 'of-before' });
    const report = (job: JobHandle, item_id: string) =>
      until(`${item_id} is reported`, async () => {
        return (await site.jobs.report({ job_id: job.jobId, item_id, result: 1 })).accepted;
      });
    await report(first, 'b');
    await first.cancel();
    await first.result();
    const changes = { max_concurrency: 1 };
    const again = await site.jobs.rerun('of-before', {}, { jobId: 'of-now', changes });
    await running(again, 1);
    await again.retryItem('b');
    const counts = async () => {
      const { completed, kept } = await statusOf(again);
      return [completed, kept?.completed];
    };
    assert.deepEqual(await counts(), [0, 0]);
    await again.cancelItem('b');
    assert.deepEqual(await counts(), [1, 1]);
    await report(again, 'a');
    assert.equal((await again.result()).completed, 2);
  });

  it('writes what its second life has found where it is reset by hand', async () => {
    const spec = await site.spec(
      { a: [], b: [] },
      { agent: { external: true }, max_concurrency: 1 },
    );
    const job = await site.jobs.start(spec, { jobId: 'reset' });
    const reportBoth = async (result: string) => {
      for (const item_id of ['a', 'b']) {
        await until(`${item_id} is reported`, async () => {
          const report = { job_id: job.jobId, item_id, result };
          return (await site.jobs.report(report).catch(() => undefined))?.accepted;
        });
      }
      const { verdict, output_csv_path } = await job.result();
      assert.equal(verdict, 'succeeded');
      return (await readOutput(output_csv_path)).map((row) => row['result_json']);
    };
    assert.deepEqual(await reportBoth('first'), ['"first"', '"first"']);
    const { events } = await site.client.workflow.getHandle('reset').fetchHistory();
    const opened = events!.find((event) => event.workflowTaskCompletedEventAttributes)!;
    await site.client.workflowService.resetWorkflowExecution({
      ...{ namespace: 'default', workflowExecution: { workflowId: 'reset' }, requestId: 'reset' },
      ...{ reason: 'by hand', workflowTaskFinishEventId: opened.eventId! },
    });
    assert.deepEqual(await reportBoth('second'), ['"second"', '"second"']);
  });

  it('adopts, cancels and takes reports of an item that was started again', async () => {
    const spec = await site.spec(
      { a: [], b: [], c: [] },
      { agent: { external: true }, max_concurrency: 3 },
    );
    const job = await site.jobs.start(spec, { jobId: 'external-again' });
    const report = (item_id: string, result: string) =>
      site.jobs.report({ job_id: job.jobId, item_id, result });
    const runs = (count: number) =>
      until(`${count} run`, async () => {
        let running = 0;
        for await (const _ of job.items('running')) running += 1;
        return running === count && (await job.status()).running === count;
      });
    await runs(3);
    await job.cancelItem('a');
    await report('b', 'first');
    await runs(1);
    await job.retryItem('a');
    await job.retryItem('b');
    await runs(3);
    const before = (await runsOf(site.client, job.jobId)).length;
    await until('it continues as new', async () => {
      await job.set({ max_concurrency: 3 });
      return (await runsOf(site.client, job.jobId)).length > before;
    });
    assert.equal((await job.task('b'))?.item_id, 'b');
    assert.deepEqual(await report('b', 'second'), { accepted: true });
    await job.cancelItem('a');
    await runs(1);
    await report('c', 'only');
    const { verdict, output_csv_path } = await job.result();
    assert.equal(verdict, 'partial');
    const output = await readOutput(output_csv_path);
    assert.deepEqual(
      output.map(({ status, result_json }) => [status, result_json]),
      [
        ['cancelled', ''],
        ['completed', '"second"'],
        ['completed', '"only"'],
      ],
    );
  });

  it('refuses what it cannot do, and changes nothing', async () => {
    const spec = await site.spec(gated(['a'], 'n'), { max_concurrency: 3 });
    const job = await site.jobs.start(spec);
    await running(job, 1);
    const handle = site.client.workflow.getHandle(job.jobId);
    const refused = (what: RegExp, ...args: unknown[]) =>
      assert.rejects(
        handle.executeUpdate(setUpdate, { args: args as [unknown] }),
        (error: Error) => {
          assert.match((error.cause as Error).message, what);
          return true;
        },
      );
    await refused(/^max_concurrency: Too small/, { max_concurrency: 0 });
    await refused(/^Unrecognized key: "speed"/, { max_concurrency: 4, speed: 9 });
    await refused(/^names nothing to set/, {});
    await refused(/^one argument is taken, 0 came/);
    await refused(/expected object/, 'fast');
    await assert.rejects(job.cancelItem(''), /item_id/);
    await assert.rejects(job.retryItem(''), /item_id/);
    // What is refused at the door leaves no trace.
    const { events } = await handle.fetchHistory();
    assert.ok(!events!.some((event) => event.workflowExecutionUpdateAcceptedEventAttributes));
    await assert.rejects(job.set({ max_concurrency: 5000 }), ControlRefused);
    assert.equal((await statusOf(job)).max_concurrency, 3);
    await job.stop();
    await assert.rejects(job.resume(), ControlRefused);
    await assert.rejects(job.pause(), /has been stopped/);
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
    assert.equal((await statusOf(job)).paused?.reason, 'why not');
    assert.equal((await run('resume', 'told')).code, 0);
    assert.equal((await run('cancel', 'told', 'r2')).code, 0);
    assert.equal((await statusOf(job)).cancelled, 1);
    const retried = await run('retry', 'told', 'r2');
    assert.deepEqual(
      [retried.code, retried.stdout],
      [0, 'Item r2 of job told is to be started again.\n'],
    );
    assert.equal((await statusOf(job)).cancelled, 0);
    const refused = await run('retry', 'told', 'r0');
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /item r0 runs: cancel it first/);
    assert.equal((await run('cancel', 'told', 'r2')).code, 0);

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
    assert.equal((await statusOf(job)).state, 'paused');
    assert.deepEqual(await update('resume'), { accepted: true });
    assert.deepEqual(await update('set', { max_concurrency: 4 }), { accepted: true });
    await until('it is cancelled', async () => (await job.status()).cancelled === 1);
    assert.equal((await update('cancel_item', { item_id: 'r2' })).accepted, false);
    assert.equal((await update('retry_item', { item_id: 'r0' })).accepted, false);
    assert.deepEqual(await update('cancel_item', { item_id: 'r1' }), { accepted: true });
    assert.deepEqual(await update('stop', { reason: 'enough' }), { accepted: true });
    await site.file('t-r0', '');
    assert.equal((await job.result()).stop_reason, 'enough');
    const late = await run('pause', 'told');
    assert.deepEqual([late.code, late.stdout], [0, 'Job told has ended already: partial.\n']);
  });
});
