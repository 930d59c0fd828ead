/** Rows of a job that is over are run again, and the output has each row once. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'csv-stringify/sync';
import {
  type JobHandle,
  JobRefused,
  NothingToRerun,
  RerunRefused,
  type RowSelection,
} from '../src/client.js';
import { ADDED_COLUMNS } from '../src/output/columns.js';
import { itemsOf, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { LIGHT_AGENT } from './support/light-agent.js';
import { Workshop } from './support/workshop.js';
import { Site, readOutput, statusOf, temporalCli, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  await site.worker();
});
after(() => site.close());

const execute = promisify(execFile);
/** Each row of an output: ID, status, who reported, from which job. */
async function merged(job: JobHandle): Promise<string[]> {
  const { output_csv_path: path } = await job.status();
  return (await readOutput(path!)).map(
    ({ id, item_id, status, result_json, origin_job_id, row_index }, n) => {
      assert.deepEqual([item_id, Number(row_index)], [id, n]);
      const { by } = JSON.parse(result_json || '{}') as { by?: string };
      return [id, status, by ?? '-', origin_job_id || 'own'].join(' ');
    },
  );
}

/** Has the server forget a job: all its runs, and its items. */
async function forget(jobId: string): Promise<void> {
  const runs = (await runsOf(site.client, jobId)).map((runId) => ({ workflowId: jobId, runId }));
  const executions = [...runs, ...(await itemsOf(site.client, jobId))];
  for (const { workflowId, runId } of executions) {
    await site.client.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId, runId },
    });
  }
  for (const { workflowId, runId } of executions) {
    const handle = site.client.workflow.getHandle(workflowId, runId);
    const isGone = () =>
      handle.describe().then(
        () => false,
        (error: Error) => error.name === 'WorkflowNotFoundError',
      );
    // So soon after its end, the server puts it off for some 20 seconds.
    await until(`the server has forgotten ${workflowId}`, isGone, 90_000);
  }
}

describe('rerun', { concurrency: 4 }, () => {
  it('leaves one line for each row: the new outcome of those run again, the earlier one of the others', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'b', 'd');
    const first = await workshop.run();
    assert.equal((await statusOf(first)).verdict, 'partial');
    await workshop.starts();
    await workshop.mend('fails', 'b', 'd');
    // What is changed in the input meanwhile changes nothing.
    await writeFile(workshop.input, 'id,text,team,size\nz,other,x,1\n');

    const again = await site.jobs.rerun(first.jobId, { statuses: ['failed'] });
    const summary = await again.result();
    assert.equal(await workshop.starts(), 'bd');
    assert.deepEqual(await merged(again), [
      `a completed first ${first.jobId}`,
      'b completed first own',
      `c completed first ${first.jobId}`,
      'd completed first own',
      `e completed first ${first.jobId}`,
    ]);
    const earlier = await readOutput((await first.status()).output_csv_path!);
    const rows = await readOutput(summary.output_csv_path);
    for (const [n, row] of rows.entries()) {
      assert.equal(row['job_id'], again.jobId);
      if (row['origin_job_id'] === '') continue;
      const { job_id: _, origin_job_id: __, ...kept } = row;
      const { job_id: ___, ...was } = earlier[n]!;
      assert.deepEqual(kept, was);
    }
    const { more } = JSON.parse(rows[4]!['result_json']!) as { more: string };
    assert.equal(more.length, 9000);
    assert.deepEqual(
      [summary.verdict, summary.total, summary.completed, summary.failed, summary.kept],
      ['succeeded', 5, 5, 0, { completed: 3, failed: 0, cancelled: 0, pending: 0 }],
    );
    const ran: string[] = [];
    for await (const { workflow_id } of again.items()) ran.push(workflow_id.split('/')[0]!);
    const { jobId } = again;
    assert.deepEqual(ran, [first.jobId, jobId, first.jobId, jobId, first.jobId]);
    assert.match((await again.logs('a'))[0]!.text, /first works on a/);
    assert.match((await again.logs('b'))[0]!.text, /first works on b/);
    const page = join(workshop.folder, 'page.html');
    await again.reportHtml(page);
    assert.match(await readFile(page, 'utf8'), /first works on b/);
  });

  it('runs what has not completed by default, and can be run again itself', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'a', 'c');
    await workshop.make('stops', 'b');
    const first = await workshop.run({ max_concurrency: 1 });
    assert.equal(await workshop.starts(), 'ab');
    await workshop.mend('stops', 'b');
    const second = await site.jobs.rerun(first.jobId);
    assert.equal((await second.result()).verdict, 'partial');
    assert.equal(await workshop.starts(), 'acde');
    await workshop.mend('fails', 'a', 'c');
    const third = await site.jobs.rerun(second.jobId, { statuses: ['failed'] }, { jobId: 'third' });
    assert.equal((await third.result()).verdict, 'succeeded');
    assert.equal(await workshop.starts(), 'ac');
    assert.deepEqual(await merged(third), [
      'a completed first own',
      `b completed first ${first.jobId}`,
      'c completed first own',
      `d completed first ${second.jobId}`,
      `e completed first ${second.jobId}`,
    ]);
  });

  it('leaves rows pending that were not selected, and tells so in its verdict', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'a');
    await workshop.make('stops', 'b');
    const first = await workshop.run({ max_concurrency: 1 });
    await workshop.mend('fails', 'a');
    const again = await site.jobs.rerun(first.jobId, { statuses: ['failed'] });
    const summary = await again.result();
    assert.deepEqual([summary.verdict, summary.completed, summary.pending], ['stopped', 2, 3]);
    assert.equal(summary.kept?.pending, 3);
    const shown = await cli(['status', again.jobId], { env: site.processEnv });
    assert.match(
      shown.stdout,
      /kept +1 row has the outcome of an earlier job, 3 pending not selected/,
    );
  });

  it('takes options over, and others in their place', async () => {
    const workshop = await Workshop.open(site, 'jsonl');
    await workshop.make('fails', 'a', 'b', 'c', 'd');
    const first = await workshop.run({
      output_csv_path: join(workshop.folder, 'first.jsonl'),
      tolerated_failures: 4,
      output_schema: { type: 'object', required: ['by'] },
    });
    await workshop.starts();
    await workshop.mend('fails', 'a');
    const again = await site.jobs.rerun(
      first.jobId,
      { statuses: ['failed'], where: { team: 'x' }, item_ids: ['a', 'c'] },
      { changes: { agent: workshop.agent('second'), max_runtime_seconds: 600 } },
    );
    const summary = await again.result();
    // Of a and b for their team, of a and c by name.
    assert.equal(await workshop.starts(), 'a');
    assert.match(summary.output_csv_path, /in\.agent-job-[^.]+\.jsonl$/);
    const lines = (await readFile(summary.output_csv_path, 'utf8')).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      rows.map(({ id, status, result, origin_job_id }) => [
        id,
        status,
        (result as { by: string } | undefined)?.by,
        origin_job_id,
      ]),
      [
        ['a', 'completed', 'second', ''],
        ['b', 'failed', undefined, first.jobId],
        ['c', 'failed', undefined, first.jobId],
        ['d', 'failed', undefined, first.jobId],
        ['e', 'completed', 'first', first.jobId],
      ],
    );
    const record = await site.jobs.store.job(again.jobId).record();
    assert.deepEqual(
      [record!.spec.max_runtime_seconds, record!.spec.tolerated_failures, record!.spec.id_column],
      [600, 4, 'id'],
    );
    // What failed in the first job counts towards its own tolerance alone.
    assert.equal(summary.halt_reason, null);
  });

  it('works once the server has forgotten the job', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'c');
    const first = await workshop.run();
    await forget(first.jobId);
    await workshop.mend('fails', 'c');
    const again = await site.jobs.rerun(first.jobId, { statuses: ['failed'] });
    assert.equal((await again.result()).verdict, 'succeeded');
    assert.deepEqual((await merged(again))[2], 'c completed first own');
  });

  it('takes what is known of a job that was terminated, once its items are over', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('hangs', 'd');
    const first = await site.jobs.start(workshop.spec());
    await until('all others are done', async () => (await first.status()).completed === 4);
    await site.client.workflow.getHandle(first.jobId).terminate('lost');
    await assert.rejects(site.jobs.rerun(first.jobId), /items of it still run.*agent-jobs cancel/);
    await first.cancel();
    await until('its items are over', async () =>
      (await itemsOf(site.client, first.jobId)).every(({ status }) => status.name !== 'RUNNING'),
    );
    await workshop.mend('hangs', 'd');
    await workshop.starts();
    const again = await site.jobs.rerun(first.jobId);
    assert.equal((await again.result()).verdict, 'succeeded');
    assert.equal(await workshop.starts(), 'd');
  });

  for (const format of ['csv', 'jsonl']) {
    it(`works from the output alone, in ${format}`, async () => {
      const workshop = await Workshop.open(site, format);
      await workshop.make('fails', 'b', 'd');
      const output_csv_path = join(workshop.folder, `out.${format}`);
      const first = await workshop.run({ output_csv_path });
      await rm(join(site.storeFolder, 'jobs', first.jobId), { recursive: true });
      await rm(workshop.input);
      await assert.rejects(site.jobs.rerun(first.jobId), /from its output/);
      await workshop.starts();
      await workshop.mend('fails', 'b', 'd');
      const again = await site.jobs.start({
        ...workshop.spec(),
        csv_path: output_csv_path,
        output_csv_path: join(workshop.folder, `again.${format}`),
        rerun_of: { statuses: ['failed'], where: { team: 'x' } },
      });
      const summary = await again.result();
      assert.equal(await workshop.starts(), 'b');
      assert.deepEqual([summary.completed, summary.failed], [4, 1]);
      const before = await linesOf(output_csv_path);
      const lines = await linesOf(summary.output_csv_path);
      assert.deepEqual(
        lines.map(({ id, status, last_error, origin_job_id }) => [
          id,
          status,
          last_error,
          origin_job_id,
        ]),
        [
          ['a', 'completed', '', first.jobId],
          ['b', 'completed', '', ''],
          ['c', 'completed', '', first.jobId],
          ['d', 'failed', before[3]!['last_error'], first.jobId],
          ['e', 'completed', '', first.jobId],
        ],
      );
      // But for these, kept rows are as they were, in the same columns.
      for (const n of [0, 2, 3, 4]) {
        const { origin_job_id: _, job_id: __, ...kept } = lines[n]!;
        const { job_id: ___, ...was } = before[n]!;
        assert.deepEqual(kept, was);
      }
      // And so once more, from that output.
      await rm(join(site.storeFolder, 'jobs', again.jobId), { recursive: true });
      const third = await site.jobs.start({
        ...workshop.spec(),
        csv_path: summary.output_csv_path,
        rerun_of: {},
      });
      assert.equal((await third.result()).verdict, 'succeeded');
      assert.deepEqual(await merged(third), [
        `a completed first ${first.jobId}`,
        `b completed first ${again.jobId}`,
        `c completed first ${first.jobId}`,
        'd completed first own',
        `e completed first ${first.jobId}`,
      ]);
    });
  }

  it('is refused where it cannot be done, with what to do', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('hangs', 'a');
    const running = await site.jobs.start(workshop.spec());
    await until('its input is open', async () => (await running.status()).total === 5);
    const refused = (selection: RowSelection, message: RegExp, of = running.jobId) =>
      assert.rejects(site.jobs.rerun(of, selection), (error) => {
        assert.ok(error instanceof RerunRefused, String(error));
        assert.match(error.message, message);
        return true;
      });
    await refused({}, /still runs.*agent-jobs retry .* ITEM.*agent-jobs watch/);
    await running.cancel();
    await running.result();
    await refused(
      { where: { colour: 'x' } },
      /no column "colour".*columns are id, text, team, size/,
    );
    await refused({ item_ids: ['a', 'q', 'r'] }, /no item q, r$/);
    await refused({}, /no job nothing-there with rows/, 'nothing-there');
    await assert.rejects(
      site.jobs.rerun(running.jobId, { statuses: ['failed'], where: { team: 'x' } }),
      (error) => {
        assert.ok(error instanceof NothingToRerun);
        assert.match(
          error.message,
          /^nothing to run again: job .* has no failed rows with team=x$/,
        );
        return true;
      },
    );
    // The job itself refuses in the same way, whoever has started it.
    const start = async (spec: object, jobId: string) => {
      await site.client.workflow.start('agentJob', {
        taskQueue: site.taskQueue,
        workflowId: jobId,
        args: [spec],
      });
      return site.jobs.job(jobId).result();
    };
    const of = { job_id: running.jobId, statuses: ['failed'] };
    await assert.rejects(start({ rerun_of: of }, 'refused-1'), (error) => {
      assert.ok(error instanceof JobRefused);
      assert.match(error.message, /^nothing to run again/);
      return true;
    });
    await assert.rejects(
      start({ rerun_of: of, csv_path: '/other.csv' }, 'refused-2'),
      /Unrecognized key: "csv_path"/,
    );
    await assert.rejects(
      start({ rerun_of: { job_id: 'refused-3' } }, 'refused-3'),
      /by another job: give it an ID of its own/,
    );
    await assert.rejects(
      start({ ...workshop.spec(), rerun_of: {} }, 'refused-4'),
      /in.csv: is not the output of a job: not all rows have job_id/,
    );
  });

  it('is started by the Temporal CLI with what is to be different alone', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'b');
    const first = await workshop.run();
    await workshop.mend('fails', 'b');
    const input = { rerun_of: { job_id: first.jobId, statuses: ['failed'] }, max_concurrency: 3 };
    await execute(
      temporalCli(),
      [
        ...['workflow', 'execute', '--type', 'agentJob', '--task-queue', site.taskQueue],
        ...['--workflow-id', 'by-temporal', '--input', JSON.stringify(input)],
      ],
      { env: site.processEnv },
    );
    const again = site.jobs.job('by-temporal');
    const { verdict, completed } = await again.status();
    assert.deepEqual([verdict, completed], ['succeeded', 5]);
    assert.deepEqual((await merged(again))[1], 'b completed first own');
    assert.equal((await site.jobs.store.job('by-temporal').record())!.spec.max_concurrency, 3);
  });

  it('is a command', async () => {
    const workshop = await Workshop.open(site);
    const env = site.processEnv;
    await workshop.make('fails', 'a', 'b', 'c');
    const first = await workshop.run();
    await workshop.starts();
    await workshop.mend('fails', 'a', 'b', 'c');
    const ids = join(workshop.folder, 'ids.txt');
    await writeFile(ids, 'a\r\nc\n\n');
    const run = (...args: string[]) => cli(['rerun', ...args], { env });
    const named = await run(first.jobId, '--failed', '--ids', ids, '--job-id', 'by-command');
    assert.match(named.stderr, new RegExp(`^Job by-command: 2 of 5 rows of job ${first.jobId}\n`));
    assert.match(named.stdout, /^Job by-command: partial\. 4 of 5 rows completed, 1 failed/);
    assert.equal(named.code, 3);
    assert.equal(await workshop.starts(), 'ac');
    const where = ['--where', 'team=x', '--where', 'id=b', '--json', '--max-runtime-seconds', '60'];
    const again = await run('by-command', ...where);
    const status = JSON.parse(again.stdout) as { verdict: string; output_csv_path: string };
    assert.deepEqual([again.code, status.verdict], [0, 'succeeded']);
    assert.equal(await workshop.starts(), 'b');

    const nothing = await run('by-command', '--pending');
    assert.deepEqual(nothing, {
      code: 0,
      stdout: '',
      stderr: 'Nothing to run again: job by-command has no pending rows.\n',
    });
    const output = (await site.jobs.job('by-command').status()).output_csv_path!;
    const ofFile = await run(
      output,
      '--instruction',
      'Do {text}',
      '--detach',
      '--',
      ...workshop.command('other'),
    );
    assert.match(ofFile.stderr, /is started: 1 of 5 rows of .*by-comma.csv/);
    const job = site.jobs.job(ofFile.stdout.trim());
    assert.equal((await job.result()).verdict, 'succeeded');
    assert.deepEqual((await merged(job)).slice(0, 2), [
      'a completed first by-command',
      'b completed other own',
    ]);
    const tooMany = join(workshop.folder, 'too-many.txt');
    await writeFile(tooMany, 'a\n'.repeat(10_001));
    for (const [args, message] of [
      [
        [first.jobId, '--ids', tooMany],
        /too-many.txt has 10001 IDs, and 10000 at most can be named/,
      ],
      [['missing/out.csv'], /missing\/out.csv: there is no such file/],
      [[output, '--failed'], /--instruction TEXT or --instruction-file/],
      [[first.jobId, '--where', 'team'], /--where: "team" is not COLUMN=VALUE/],
      [[first.jobId, '--output', output], /is there already/],
      [[first.jobId, '--instruction', 'Do {txet}', '--workdir', '/tmp'], /who works on the rows/],
      [[first.jobId, '--quota-exit-code', '75'], /who works on the rows/],
      [[first.jobId, '--id-column', 'id'], /called as they were/],
    ] as const) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    }
  });

  it('goes over many pages, and continues as new', async () => {
    const isFailed = (n: number) => n % 25 === 7;
    const rows = Array.from({ length: 1100 }, (_, n) => [
      `r${n}`,
      `echo $AGENT_JOBS_ITEM_ID >> ${join(site.folder, 'many-starts')}; report ${n}`,
      ...['many', `r${n}`, n, `r${n}`, isFailed(n) ? 'failed' : 'completed', 1],
      ...(isFailed(n) ? ['no_report: silent', ''] : ['', n]),
      ...['', '2026-01-01T00:00:00.000Z'],
    ]);
    const header = ['id', 'shell', ...ADDED_COLUMNS];
    const again = await site.jobs.start({
      csv_path: await site.file('many.csv', stringify([header, ...rows])),
      instruction: '{shell}',
      agent: { command: LIGHT_AGENT },
      max_concurrency: 8,
      rerun_of: {},
    });
    const summary = await again.result();
    assert.ok((await runsOf(site.client, again.jobId)).length > 1);
    assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 1100]);
    const starts = (await readFile(join(site.folder, 'many-starts'), 'utf8')).trim().split('\n');
    const failed = rows.flatMap((_, n) => (isFailed(n) ? [`r${n}`] : []));
    assert.deepEqual(starts.toSorted(), failed.toSorted());
    const output = await readOutput(summary.output_csv_path);
    assert.deepEqual(
      output.map(({ id, result_json, origin_job_id }) => [id, result_json, origin_job_id]),
      rows.map((_, n) => [`r${n}`, String(n), isFailed(n) ? '' : 'many']),
    );
  });

  it('lets items that are kept be retried, and not be cancelled', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'a');
    await workshop.make('stops', 'c');
    const first = await workshop.run({ max_concurrency: 1 });
    await workshop.mend('fails', 'a');
    await workshop.mend('stops', 'c');
    await workshop.make('hangs', 'a');
    await workshop.starts();
    const again = await site.jobs.rerun(
      first.jobId,
      { statuses: ['failed'] },
      { changes: { max_concurrency: 2 } },
    );
    await until('a runs', async () => (await again.status()).running === 1);
    await assert.rejects(again.retryItem('e'), /item e is not run by this job/);
    await assert.rejects(again.cancelItem('b'), /item b has ended already/);
    await again.retryItem('c');
    await until('a and c run', async () => (await again.status()).completed === 2);
    await workshop.mend('hangs', 'a');
    await again.cancelItem('a');
    const summary = await again.result();
    assert.equal(await workshop.starts(), 'ac');
    assert.deepEqual(
      [summary.completed, summary.cancelled, summary.pending, summary.kept],
      [2, 1, 2, { completed: 1, failed: 0, cancelled: 0, pending: 2 }],
    );
    assert.deepEqual((await merged(again)).slice(0, 3), [
      'a cancelled - own',
      `b completed first ${first.jobId}`,
      'c completed first own',
    ]);
  });
});

async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  if (path.endsWith('.csv')) return readOutput(path);
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
