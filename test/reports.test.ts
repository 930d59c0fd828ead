/** Reports of real agents to the endpoint of their worker. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type EndedRow, endedJob, runJob } from './support/ended-job.js';
import { Site, type Step, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

const GOOD = { label: 'good', n: 1 };
const VALID: Step = ['report', GOOD];
const SCHEMA = {
  $defs: { count: { type: 'integer', minimum: 0 } },
  type: 'object',
  properties: {
    label: { enum: ['good', 'bad'] },
    n: { $ref: '#/$defs/count' },
    code: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' },
  },
  required: ['label'],
  additionalProperties: false,
};

/** Statuses of the answers, with the errors of those that refuse: `422 /label: …`. */
function told({ answers }: EndedRow): string[] {
  return answers.map(({ status, accepted, duplicate, errors = [] }) => {
    assert.equal(accepted, status === 200);
    const texts = errors.map(({ path, message }) => (path ? `${path}: ${message}` : message));
    return [status, ...(duplicate ? ['duplicate'] : []), ...texts].join(' ');
  });
}

function completed(row: EndedRow, result: unknown = GOOD): void {
  assert.equal(row.status, 'completed', row.error);
  assert.equal(row.attempts, 1);
  assert.deepEqual(row.result, result);
}

test('what is refused is told with path and reason, and may be repaired', async () => {
  const { rows, summary } = await runJob(
    site,
    await site.spec(
      {
        valid: [VALID],
        schema: [['report', { label: 'ugly', n: -1, x: 1 }], ['report', {}], VALID],
        pattern: [
          ['report', { label: 'good', code: 'A-1' }],
          ['report', { label: 'good', code: 'AB-12' }],
        ],
        oversized: [
          ['report', { label: 'good', n: 1, code: 'A'.repeat(5000) }],
          ['report-sized', 9 * 1024 * 1024],
          VALID,
        ],
        body: [['report-raw', '{"result":'], ['report-raw', ''], VALID],
        shape: [
          ['report-raw', 'null'],
          ['report-raw', '[1]'],
          ['report-raw', '{}'],
          ['report-raw', '{"result":{"label":"good"},"stop":"yes","note":1}'],
          VALID,
        ],
        nested: [['report-nested', 100_000], ['report-nested', 300], VALID],
        number: [['report-raw', '{"result":{"label":"good","n":1e999}}'], VALID],
        proto: [
          ['report-raw', '{"result":{"label":"good","__proto__":{"n":1}}}'],
          ['report-raw', '{"result":{"label":"good"},"__proto__":{"stop":true}}'],
          ['report-raw', '{"result":{"__proto__":{"label":"good"}}}'],
          VALID,
        ],
        name: [['report', { ['x'.repeat(3000)]: 1, label: 'good' }], VALID],
      },
      { output_schema: SCHEMA, max_result_bytes: 4000 },
    ),
  );
  for (const [id, row] of Object.entries(rows)) {
    completed(row, id === 'pattern' ? { label: 'good', code: 'AB-12' } : GOOD);
  }
  assert.equal(summary.verdict, 'succeeded');
  assert.deepEqual(told(rows['valid']!), ['200']);
  assert.deepEqual(told(rows['schema']!), [
    '422 /label: Instance does not match any of ["good","bad"]. /n: -1 is less than 0. /x: The schema allows nothing here.',
    '422 Instance does not have required property "label".',
    '200',
  ]);
  assert.deepEqual(told(rows['pattern']!), [
    '422 /code: String does not match pattern "^[A-Z]{2}-\\d+$".',
    '200',
  ]);
  const size = JSON.stringify({ label: 'good', n: 1, code: 'A'.repeat(5000) }).length;
  assert.deepEqual(told(rows['oversized']!), [
    `422 the result is ${size} bytes, at most 4000 are taken`,
    '413 the report is over 8388608 bytes',
    '200',
  ]);
  assert.match(told(rows['body']!).join('\n'), /^400 the report is not JSON: .+\n400 .+\n200$/);
  assert.deepEqual(told(rows['shape']!), [
    '422 the report: Invalid input: expected object, received null',
    '422 the report: Invalid input: expected object, received array',
    '422 the report: "result" is missing',
    '422 the report.stop: Invalid input: expected boolean, received string the report: Unrecognized key: "note"',
    '200',
  ]);
  const deep = '422 the result is nested deeper than 200 levels';
  assert.deepEqual(told(rows['nested']!), [deep, deep, '200']);
  assert.match(told(rows['number']!)[0]!, /^422 the result holds a number beyond the range/);
  assert.deepEqual(told(rows['proto']!), [
    '422 /__proto__: The schema allows nothing here.',
    '422 the report: Unrecognized key: "__proto__"',
    '422 Instance does not have required property "label". /__proto__: The schema allows nothing here.',
    '200',
  ]);
  // A refusal quotes what it refuses, within limits.
  assert.match(told(rows['name']!)[0]!, /^422 \/x{298}…: The schema allows nothing here\.$/);
});

test('the first valid report fixes the outcome; the same again is a duplicate', async () => {
  const { rows } = await runJob(
    site,
    await site.spec({
      again: [VALID, ['sleep', 50], VALID, ['report', { n: 1, label: 'good' }]],
      together: [['together', [VALID, VALID, VALID]]],
      second: [VALID, ['report', { label: 'bad', n: 1 }], ['report', { ...GOOD, x: 1 }], VALID],
      invalid: [VALID, ['report-raw', '{}']],
    }),
  );
  for (const row of Object.values(rows)) completed(row);
  assert.deepEqual(told(rows['again']!), ['200', '200 duplicate', '200 duplicate']);
  assert.deepEqual(told(rows['together']!).toSorted(), ['200', '200 duplicate', '200 duplicate']);
  const refused = '409 another result was reported before';
  assert.deepEqual(told(rows['second']!), ['200', refused, refused, '200 duplicate']);
  assert.deepEqual(told(rows['invalid']!), ['200', '422 the report: "result" is missing']);
});

test('a token reports for its own run and no other; IDs in the report have to match it', async () => {
  const saved = await site.file('env-of-a', '');
  const { rows, jobId } = await runJob(
    site,
    await site.spec(
      {
        a: [['save-env', saved], VALID],
        b: [
          ['report', GOOD, { token: 'made-up' }],
          ['report', GOOD, { token: '' }],
          ['report', GOOD, { token_of: saved, extra: { item_id: 'b' } }],
          ['report', GOOD, { extra: { job_id: 'other' } }],
          ['report', GOOD, { extra: { item_id: 'a' } }],
          ['report', GOOD, { extra: { run: 2 } }],
          ['report', GOOD, { extra: { item_id: 'b', run: 1 } }],
        ],
      },
      { max_concurrency: 1 },
    ),
  );
  completed(rows['a']!);
  completed(rows['b']!);
  const unknown = '401 the token is unknown or has expired: its run has ended';
  assert.deepEqual(told(rows['b']!), [
    unknown,
    unknown,
    '422 the report is of item_id b, this token is of item_id a',
    `422 the report is of job_id other, this token is of job_id ${jobId}`,
    '422 the report is of item_id a, this token is of item_id b',
    '422 the report is of run 2, this token is of run 1',
    '200',
  ]);
});

test('a report that comes after the item has closed is refused, and changes nothing', async () => {
  const [silent, reported] = [join(site.folder, 'silent.env'), join(site.folder, 'reported.env')];
  const job = await runJob(
    site,
    await site.spec(
      { silent: [['save-env', silent]], reported: [['save-env', reported], VALID] },
      { report_grace_seconds: 0 },
    ),
  );
  assert.equal(job.rows['silent']!.status, 'failed');
  const late = async (path: string, result: object) => {
    const env = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>;
    const response = await fetch(env['AGENT_JOBS_REPORT_URL']!, {
      method: 'POST',
      headers: { authorization: `Bearer ${env['AGENT_JOBS_REPORT_TOKEN']}` },
      body: JSON.stringify({ result }),
    });
    return [response.status, await response.text()];
  };
  const settled = 'the item is settled: its outcome is fixed';
  const refused = (message: string) => [
    409,
    JSON.stringify({ accepted: false, errors: [{ path: '', message }] }),
  ];
  assert.deepEqual(await late(silent, GOOD), refused(settled));
  assert.deepEqual(await late(silent, GOOD), refused(settled));
  assert.deepEqual(
    await late(reported, { label: 'bad' }),
    refused('another result was reported before'),
  );
  assert.deepEqual(await late(reported, GOOD), [200, '{"accepted":true,"duplicate":true}']);
  const counts = await site.jobs.job(job.jobId).status();
  assert.deepEqual([counts.completed, counts.failed], [1, 1]);
});

test('a result has a limit, exact to the byte; a large one is stored by reference', async () => {
  const { rows, jobId } = await runJob(
    site,
    await site.spec(
      {
        exact: [['report-sized', 6000]],
        over: [
          ['report-sized', 6001],
          ['report-sized', 5999],
        ],
        inline: [['report-sized', 4096]],
        // Neither escapes nor spaces count, and other than ASCII does.
        escaped: [['report-raw', `{ "result" : "${'\\u0041'.repeat(5998)}" }`]],
        wide: [
          ['report', 'ü'.repeat(3000)],
          ['report', 'ü'.repeat(2999)],
        ],
        proto: [['report-raw', '{"result":{"__proto__":{"a":1},"constructor":2}}']],
      },
      { max_result_bytes: 6000 },
    ),
  );
  completed(rows['exact']!, 'x'.repeat(5998));
  completed(rows['over']!, 'x'.repeat(5997));
  completed(rows['inline']!, 'x'.repeat(4094));
  completed(rows['escaped']!, 'A'.repeat(5998));
  completed(rows['wide']!, 'ü'.repeat(2999));
  completed(rows['proto']!, JSON.parse('{"__proto__":{"a":1},"constructor":2}'));
  assert.deepEqual(told(rows['over']!), [
    '422 the result is 6001 bytes, at most 6000 are taken',
    '200',
  ]);
  assert.deepEqual(told(rows['wide']!), [
    '422 the result is 6002 bytes, at most 6000 are taken',
    '200',
  ]);
  const stored = site.jobs.store.job(jobId);
  const batches = await Promise.all((await stored.batches()).map((key) => stored.batch(key)));
  const refs = batches
    .flatMap(({ outcomes }) => outcomes)
    .toSorted(([a], [b]) => a - b)
    .map(([, outcome]) => (outcome.status === 'completed' ? Object.keys(outcome.result)[0] : ''));
  assert.deepEqual(refs, ['stored', 'stored', 'inline', 'stored', 'stored', 'inline']);
});

test('`stop: true` stops the job: rows in flight end, no more are started', async () => {
  const stopped = join(site.folder, 'stopped');
  const job = await site.jobs.start(
    await site.spec(
      {
        a: [['report', GOOD, { stop: true }]],
        b: [['wait-for', stopped], VALID],
        c: [VALID],
        d: [VALID],
      },
      { max_concurrency: 2 },
    ),
  );
  await until('it stops', async () => (await job.status()).state === 'stopping');
  await writeFile(stopped, '');
  const { rows, summary } = await endedJob(site, job);
  assert.deepEqual(
    Object.values(rows).map(({ status }) => status),
    ['completed', 'completed', 'pending', 'pending'],
  );
  assert.equal(summary.verdict, 'stopped');
  assert.equal(summary.stop_reason, 'item a reported stop');
  assert.deepEqual([summary.completed, summary.pending], [2, 2]);
});
