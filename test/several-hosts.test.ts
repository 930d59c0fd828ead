/**
 * A caller, a workflow worker and agent workers that have nothing in common but the server and an
 * object store, as on hosts of their own.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs, type JobSummary } from '../src/client.js';
import { RunningCli, cli } from './support/cli.js';
import { LARGE_ROW_CHARS } from '../src/store/job-record.js';
import { hostOf, started } from './support/host.js';
import { S3Server } from './support/s3-server.js';
import { AGENT, Site, type Step, readOutput, until } from './support/site.js';
import { WorkerProcess } from './support/worker-process.js';

const STORE = 's3://jobs/team';
const RESULT_BYTES = 100_000;

let site: Site;
let s3: S3Server;
before(async () => {
  site = await Site.open();
  s3 = await S3Server.start(site.folder, ['jobs']);
});
after(async () => {
  WorkerProcess.killAll();
  await S3Server.killAll();
  await site.close();
});

const host = (name: string) => hostOf(site, s3, name);

async function worker(name: string, ...args: string[]): Promise<WorkerProcess> {
  const { cwd, env } = await host(name);
  return WorkerProcess.start(env, { cwd, args: ['--store', STORE, ...args] });
}

test('a job over several hosts, one of which is lost: every row once, where the caller wants it', async () => {
  const caller = await host('caller');
  const log = join(site.folder, 'started');
  const open = join(site.folder, 'open');
  const ids = Array.from({ length: 10 }, (_, n) => `r${n}`);
  const steps: Step[] = [
    ['append', log],
    ['wait-for', open],
    ['report-sized', RESULT_BYTES],
  ];
  const input = join(caller.cwd, 'in.csv');
  await writeFile(
    input,
    stringify([['id', 'steps'], ...ids.map((id) => [id, JSON.stringify(steps)])]),
  );
  const run = new RunningCli(
    [
      ...['run', 'in.csv', '--store', STORE, '--job-id', 'wide', '--output', 'out.csv'],
      ...['--instruction', '{steps}', '--id-column', 'id', '--max-concurrency', '4'],
      ...['--', ...AGENT],
    ],
    caller,
  );
  await until('the job waits for workers', () => run.stderr.includes('No worker takes'));
  // Whatever the workers read from now on is not the caller's file.
  await rm(input);

  const control = await worker('control', '--role', 'workflows');
  assert.match(control.said, /role {4}workflows\n {2}store {3}s3:\/\/jobs\/team/);
  const lost = await worker('agents-1', '--role', 'agents', '--concurrency', '2');
  assert.match(
    lost.said,
    /task queue test-\d+-agents .*\n {2}role {4}agents\n {2}agents {2}2 at once/,
  );
  await until('the first host has agents', async () => (await started(log)).length >= 2);
  const before = await started(log);
  await worker('agents-2', '--role', 'agents', '--concurrency', '4');
  await lost.kill();
  await until(
    'the rows of the lost host are worked on again',
    async () => (await started(log)).slice(2).filter((id) => before.includes(id)).length >= 2,
    60_000,
  );
  await writeFile(open, '');
  const { code, stdout, stderr } = await run.ending;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /succeeded.*10 of 10 rows completed/);
  const output = join(caller.cwd, 'out.csv');
  assert.ok(stdout.includes(`output   ${output}`), stdout);

  const rows = await readOutput(output);
  assert.deepEqual(
    rows.map(({ item_id, status, attempt_count }) => [item_id, status, attempt_count]),
    ids.map((id) => [id, 'completed', '1']),
  );
  for (const { result_json } of rows) assert.equal(result_json!.length, RESULT_BYTES);

  // Nothing of it is anywhere but in the store.
  for (const name of ['caller', 'control', 'agents-1', 'agents-2']) {
    assert.equal(existsSync(join(site.folder, 'hosts', name, 'state/agent-jobs/jobs')), false);
  }
  const [kept] = await readdir(join(s3.folder, 'jobs/team/jobs'));
  assert.equal(kept, 'wide');
});

test('another host sees the job, and can have its results', async () => {
  const other = await host('other');
  const status = await cli(['status', 'wide', '--store', STORE], other);
  assert.match(status.stdout, /output +s3:\/\/jobs\/team\/jobs\/wide\/output\.csv\n/);
  const results = await cli(['results', 'wide', '--store', STORE, '--output', 'mine.jsonl'], other);
  assert.equal(results.code, 0, results.stderr);
  const lines = (await readFile(join(other.cwd, 'mine.jsonl'), 'utf8')).trim().split('\n');
  assert.equal(lines.length, 10);
  // Also to where the caller wanted it, where it is gone.
  const output = join(site.folder, 'hosts/caller/out.csv');
  const before = await readFile(output, 'utf8');
  await rm(output);
  const watch = await cli(['watch', 'wide', '--store', STORE], other);
  assert.equal(watch.code, 0, watch.stderr);
  assert.equal(await readFile(output, 'utf8'), before);
});

test('rows are run again from another host, by the job and by its output', async () => {
  const other = await host('other');
  const again = await cli(
    [
      ...['rerun', 'wide', '--store', STORE, '--where', 'id=r3', '--job-id', 'again'],
      ...['--output', join(other.cwd, 'again.csv')],
    ],
    other,
  );
  assert.equal(again.code, 0, again.stderr);
  const ofOutput = await cli(
    [
      ...['rerun', 'again.csv', '--store', STORE, '--where', 'id=r4', '--output', 'last.csv'],
      ...['--instruction', '{steps}', '--', ...AGENT],
    ],
    other,
  );
  assert.equal(ofOutput.code, 0, ofOutput.stderr);
  for (const [name, own] of [
    ['again.csv', 'r3'],
    ['last.csv', 'r4'],
  ] as const) {
    const rows = await readOutput(join(other.cwd, name));
    assert.equal(rows.length, 10);
    for (const { id, result_json, origin_job_id } of rows) {
      assert.equal(result_json!.length, RESULT_BYTES);
      const origin = id === own ? '' : name === 'last.csv' && id === 'r3' ? 'again' : 'wide';
      assert.equal(origin_job_id, origin);
    }
  }
});

test('who asks another store is told which one it is', async () => {
  const other = await host('other');
  const output = join(site.folder, 'hosts/caller/out.csv');
  await rm(output);
  const { code, stdout } = await cli(['watch', 'wide'], other);
  assert.equal(code, 1);
  assert.match(stdout, /from s3:\/\/jobs\/team\/jobs\/wide\/output\.csv: .* name it with --store/);
  const { stderr } = await cli(['watch', 'wide', '--store', STORE], other);
  assert.equal(existsSync(output), true, stderr);
});

test('a watch of an ended job leaves an output that was worked on since', async () => {
  const other = await host('other');
  const output = join(site.folder, 'hosts/caller/out.csv');
  const edited = `${await readFile(output, 'utf8')}x`;
  await writeFile(output, edited);
  const watch = await cli(['watch', 'wide', '--store', STORE], other);
  assert.equal(watch.code, 0, watch.stderr);
  assert.equal(await readFile(output, 'utf8'), edited);
});

test('application code has its output where it asked for it, too', async (t) => {
  Object.assign(process.env, s3.env);
  const jobs = new AgentJobs({ client: site.client, taskQueue: site.taskQueue, store: STORE });
  await worker('control-2');
  const spec = await site.spec({ a: [['report', 1]], b: [['exit', 3]] });
  const output = join(site.folder, 'code.jsonl');
  const job = await jobs.start({ ...spec, output_csv_path: output });
  await rm(spec.csv_path);
  const summary: JobSummary = await job.result();
  assert.deepEqual([summary.verdict, summary.output_error], ['partial', null]);
  const lines = (await readFile(output, 'utf8')).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { status: string }).status),
    ['completed', 'failed'],
  );
  await t.test('and an output that cannot be written is found before the start', async () => {
    const taken = {
      ...(await site.spec({ a: [] })),
      output_csv_path: await site.file('o.csv', 'x'),
    };
    await assert.rejects(jobs.start(taken), { name: 'OutputError', message: /is there already/ });
  });
});

test('an object store that is away for a time fails nothing', async () => {
  const jobs = new AgentJobs({ client: site.client, taskQueue: site.taskQueue, store: STORE });
  const open = join(site.folder, 'open-again');
  const log = join(site.folder, 'started-again');
  const large: Step[] = [
    ['append', log],
    ['wait-for', open],
    ['report-sized', RESULT_BYTES],
  ];
  const spec = await site.spec({ a: large, b: large, c: large }, { max_concurrency: 2 });
  const job = await jobs.start(spec);
  await until('agents run', async () => (await started(log)).length === 2);
  await s3.kill();
  await writeFile(open, '');
  await until('a result that was reported could not be kept, twice', async () => {
    const { raw } = await site.client.workflow.getHandle(`${job.jobId}/a`).describe();
    return raw.pendingActivities?.some(
      ({ activityType, attempt }) => activityType?.name === 'saveResult' && attempt! > 2,
    );
  });
  await s3.start();
  const summary = await job.result();
  assert.deepEqual([summary.verdict, summary.output_error], ['succeeded', null]);
  assert.deepEqual(
    (await readOutput(summary.output_csv_path)).map(({ status, attempt_count }) => [
      status,
      attempt_count,
    ]),
    [1, 2, 3].map(() => ['completed', '1']),
  );
});

test('an object store that does not answer for a time is no lost worker', async () => {
  const jobs = new AgentJobs({ client: site.client, taskQueue: site.taskQueue, store: STORE });
  const open = join(site.folder, 'open-late');
  const waiting: Step[] = [
    ['wait-for', open],
    ['report', 1],
  ];
  // Too large for a page: it is read from the store when its agent is started.
  const large: Step[] = [['out', 'x'.repeat(2 * LARGE_ROW_CHARS)], ...waiting];
  const spec = await site.spec({ a: waiting, b: large }, { max_concurrency: 1 });
  const job = await jobs.start(spec);
  await until('the first agent runs', async () => (await job.status()).running === 1);
  const late = site.client.workflow.getHandle(`${job.jobId}/b`);
  s3.hang();
  try {
    await job.set({ max_concurrency: 2 });
    await until(
      'its worker is heard of for longer than one that is lost',
      async () => {
        const { raw } = await late.describe().catch(() => ({ raw: undefined }));
        const [activity] = raw?.pendingActivities ?? [];
        const at = (time: { seconds?: unknown } | null | undefined) => Number(time?.seconds ?? NaN);
        return at(activity?.lastHeartbeatTime) - at(activity?.lastStartedTime) > 22;
      },
      90_000,
    );
  } finally {
    s3.goOn();
  }
  await writeFile(open, '');
  assert.equal((await job.result()).verdict, 'succeeded');
  const { events } = await late.fetchHistory();
  assert.ok(!events!.some((event) => event.activityTaskTimedOutEventAttributes));
});

test('a store that cannot be used stops a command and a worker at once, with what to do', async () => {
  const { env, cwd } = await host('wrong');
  const store = ['--store', 's3://nobodys/x'];
  const spec = await site.spec({ a: [] });
  for (const args of [
    ['worker', ...store],
    ['run', spec.csv_path, ...store, '--instruction', '{steps}', '--', 'true'],
    ['list', ...store],
  ]) {
    const { code, stderr } = await cli(args, { env, cwd });
    assert.equal(code, 1, args[0]);
    assert.match(
      stderr,
      /job store s3:\/\/nobodys\/x cannot be used: there is no bucket nobodys at/,
    );
    assert.doesNotMatch(stderr, /unexpected error/);
  }
  const { code, stderr } = await cli(['list', '--store', 'gs://x'], { env, cwd });
  assert.deepEqual([code, /neither a folder nor s3:/.test(stderr)], [1, true], stderr);
});
