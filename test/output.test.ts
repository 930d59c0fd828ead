import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { JobSpec } from '../src/client.js';
import { JobRefused } from '../src/client.js';
import { Site, readOutput } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

const REPORT = JSON.stringify([['report', { ok: true, text: 'a "b", c\nd' }]]);
const SILENT = JSON.stringify([
  ['err', 'nothing to say'],
  ['exit', 0],
]);

async function run(spec: JobSpec) {
  const job = await site.jobs.start(spec);
  return { job, summary: await job.result() };
}

async function refused(spec: JobSpec, message: RegExp): Promise<void> {
  const job = await site.jobs.start(spec);
  await assert.rejects(job.result(), (error) => {
    assert.ok(error instanceof JobRefused, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test('the output has the columns of the input and those of the job, a line per row, in input order', async () => {
  const { id_column: _, ...spec } = await site.spec({
    a: [['sleep', 300], ...JSON.parse(REPORT)],
    b: JSON.parse(SILENT),
    c: JSON.parse(REPORT),
  });
  const { job, summary } = await run(spec);
  assert.equal(summary.verdict, 'partial');
  assert.equal(
    summary.output_csv_path,
    spec.csv_path.replace(/\.csv$/, `.agent-job-${job.jobId.slice(0, 8)}.csv`),
  );
  const text = await readFile(summary.output_csv_path, 'utf8');
  assert.equal(
    text.split('\n')[0],
    'id,steps,job_id,item_id,row_index,source_id,status,attempt_count,last_error,result_json,reported_at,completed_at',
  );
  const rows = await readOutput(summary.output_csv_path);
  assert.deepEqual(
    rows.map(({ id, job_id, item_id, row_index, source_id, status, attempt_count }) => [
      id,
      job_id,
      item_id,
      row_index,
      source_id,
      status,
      attempt_count,
    ]),
    [
      ['a', job.jobId, 'row-1', '0', '', 'completed', '1'],
      ['b', job.jobId, 'row-2', '1', '', 'failed', '1'],
      ['c', job.jobId, 'row-3', '2', '', 'completed', '1'],
    ],
  );
  assert.deepEqual(JSON.parse(rows[0]!['result_json']!), { ok: true, text: 'a "b", c\nd' });
  assert.match(rows[0]!['reported_at']!, /^\d{4}-\d\d-\d\dT/);
  assert.equal(rows[1]!['result_json'], '');
  assert.equal(
    rows[1]!['last_error'],
    'no_report: exited with code 0 without reporting: nothing to say',
  );
  assert.equal(rows[1]!['reported_at'], '');
  assert.match(rows[1]!['completed_at']!, /^\d{4}-\d\d-\d\dT/);
});

test('an added column whose name the input has is prefixed', async () => {
  const csv = await site.file(
    'names.csv',
    `status,agent_job_job_id,job_id,steps\nopen,x,y,"${REPORT.replaceAll('"', '""')}"\n`,
  );
  const { summary } = await run({
    csv_path: csv,
    instruction: '{steps}',
    agent: (await site.spec({})).agent,
  });
  const [row] = await readOutput(summary.output_csv_path);
  assert.equal(row!['status'], 'open');
  assert.equal(row!['agent_job_status'], 'completed');
  assert.equal(row!['job_id'], 'y');
  assert.equal(row!['agent_job_job_id'], 'x');
  assert.equal(row!['agent_job_agent_job_job_id'], summary.job_id);
});

test('JSON Lines keep their values, and the result is JSON', async () => {
  const lines = [
    { n: 1, nested: { deep: [true, null] }, steps: JSON.parse(REPORT) },
    { steps: JSON.parse(SILENT) },
  ];
  const input = await site.file('in.jsonl', lines.map((line) => JSON.stringify(line)).join('\n'));
  const { summary } = await run({
    csv_path: input,
    instruction: '{steps}',
    agent: (await site.spec({})).agent,
    report_grace_seconds: 0,
    output_csv_path: join(site.folder, 'out.jsonl'),
  });
  const output = (await readFile(summary.output_csv_path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(output.length, 2);
  assert.deepEqual(output[0]!['nested'], { deep: [true, null] });
  assert.deepEqual(output[0]!['result'], { ok: true, text: 'a "b", c\nd' });
  assert.equal(output[0]!['row_index'], 0);
  assert.equal(output[1]!['status'], 'failed');
  assert.ok(!('result' in output[1]!));
});

test('rows that were not processed are pending', async () => {
  const spec = await site.spec(
    { a: [['report', 1, { stop: true }]], b: JSON.parse(REPORT), c: JSON.parse(REPORT) },
    { max_concurrency: 1 },
  );
  const { summary } = await run(spec);
  assert.deepEqual([summary.verdict, summary.completed, summary.pending], ['stopped', 1, 2]);
  const rows = await readOutput(summary.output_csv_path);
  assert.deepEqual(
    rows.map(({ status, attempt_count }) => [status, attempt_count]),
    [
      ['completed', '1'],
      ['pending', '0'],
      ['pending', '0'],
    ],
  );
});

test('an output that is there and not this job’s is refused, and replaced on request', async () => {
  const output = await site.file('there.csv', 'mine\n1\n');
  const spec = await site.spec({ a: JSON.parse(REPORT) }, { output_csv_path: output });
  await refused(spec, /there\.csv is there already.*--overwrite/);
  assert.equal(await readFile(output, 'utf8'), 'mine\n1\n');
  const { summary } = await run({ ...spec, overwrite: true });
  assert.equal(summary.output_error, null);
  assert.equal((await readOutput(output)).length, 1);
});

test('an output that is the input, also by a link, or cannot be written is refused', async () => {
  const spec = await site.spec({ a: JSON.parse(REPORT) });
  await refused({ ...spec, output_csv_path: spec.csv_path, overwrite: true }, /is the input/);
  const link = join(site.folder, 'link.csv');
  await symlink(spec.csv_path, link);
  await refused({ ...spec, output_csv_path: link, overwrite: true }, /is the input/);
  await refused(
    { ...spec, output_csv_path: join(site.folder, 'no', 'such.csv') },
    /cannot be written/,
  );
  await mkdir(join(site.folder, 'folder.csv'));
  await refused({ ...spec, output_csv_path: join(site.folder, 'folder.csv') }, /not a file/);
});

test('a failed export does not change the verdict, and results recovers', async () => {
  const folder = join(site.folder, 'goes');
  await mkdir(folder);
  const spec = await site.spec(
    {
      a: [
        ['touch', join(site.folder, 'a-began')],
        ['sleep', 300],
        ['report', 1],
      ],
    },
    {
      output_csv_path: join(folder, 'out.csv'),
      agent: { command: [process.execPath, '-e', SWAP_FOLDER] },
    },
  );
  const { job, summary } = await run(spec);
  assert.equal(summary.verdict, 'succeeded');
  assert.match(summary.output_error!, /out\.csv could not be written/);
  const recovered = join(site.folder, 'recovered.csv');
  assert.equal(await job.results(recovered), recovered);
  assert.equal((await readOutput(recovered)).length, 1);
  // Once more onto its own output is no conflict.
  await job.results(recovered);
});

/** An agent that puts a file in the place of the output's folder, and reports. */
const SWAP_FOLDER = `
const { rmSync, writeFileSync } = require('node:fs');
const folder = JSON.parse(require('node:fs').readFileSync(process.env.AGENT_JOBS_ROW_FILE)).steps;
const goes = JSON.parse(folder)[0][1].replace('a-began', 'goes');
rmSync(goes, { recursive: true });
writeFileSync(goes, '');
fetch(process.env.AGENT_JOBS_REPORT_URL, { method: 'POST', headers: { authorization: 'Bearer ' + process.env.AGENT_JOBS_REPORT_TOKEN }, body: '{"result":1}' });
`;

test('nothing is left beside the output', async () => {
  const folder = join(site.folder, 'beside');
  await mkdir(folder);
  const spec = await site.spec({ a: JSON.parse(REPORT) });
  const csv = join(folder, 'in.csv');
  await writeFile(csv, await readFile(spec.csv_path));
  await run({ ...spec, csv_path: csv });
  assert.equal((await readdir(folder)).length, 2);
});

test('edits of the input after the start change nothing', async () => {
  const spec = await site.spec(
    {
      a: [
        ['sleep', 500],
        ['report', 1],
      ],
      b: JSON.parse(REPORT),
    },
    { max_concurrency: 1 },
  );
  const job = await site.jobs.start(spec);
  for await (const { running } of job.watch()) if (running === 1) break;
  await writeFile(spec.csv_path, 'id,steps\n');
  const summary = await job.result();
  assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 2]);
  assert.deepEqual(
    (await readOutput(summary.output_csv_path)).map(({ id }) => id),
    ['a', 'b'],
  );
});
