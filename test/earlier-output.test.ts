/** What a job has written is read back: its input, and how each row ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { earlierOutput } from '../src/rerun/earlier-output.js';
import type { RowWithOutcome } from '../src/store/kept-outcomes.js';

const ADDED =
  'job_id,item_id,row_index,source_id,status,attempt_count,last_error,result_json,reported_at,completed_at';

async function read(path: string, text: string) {
  const bytes = async function* () {
    yield Buffer.from(text);
  };
  const { rows, columns } = await earlierOutput(path, async () => bytes());
  const found: RowWithOutcome[] = [];
  for await (const row of rows) found.push(row);
  return { rows: found, columns: columns() };
}

test('in CSV, what the job has added is told apart by name and place', async () => {
  const { rows, columns } = await read(
    'out.csv',
    'status,agent_job_job_id,job_id,patch,agent_job_agent_job_job_id,item_id,row_index,source_id,' +
      'agent_job_status,attempt_count,last_error,result_json,reported_at,completed_at\n' +
      'open,x,y,mine,J,row-1,0,,completed,1,,"{""a"":1}",R,C\n',
  );
  assert.deepEqual(columns, ['status', 'agent_job_job_id', 'job_id', 'patch']);
  assert.deepEqual(rows, [
    {
      item_id: 'row-1',
      source_id: '',
      row: { status: 'open', agent_job_job_id: 'x', job_id: 'y', patch: 'mine' },
      outcome: {
        status: 'completed',
        attempt_count: 1,
        completed_at: 'C',
        reported_at: 'R',
        result: { inline: { a: 1 } },
        origin: { job_id: 'J', item_id: 'row-1' },
      },
    },
  ]);
});

test('each way in which a row can have ended is known again', async () => {
  const { rows } = await read(
    'out.csv',
    `id,${ADDED},patch,origin_job_id\n` +
      '1,J,a,0,1,completed,1,,"1",R,C,/store/1.patch,O\n' +
      '2,J,b,1,2,failed,2,timed_out: too: long,,,C,,\n' +
      '3,J,c,2,3,cancelled,0,by hand,,,C,,\n' +
      '4,J,d,3,4,pending,0,,,,,,\n',
  );
  const [a, b, c, d] = rows.map(({ outcome }) => outcome);
  assert.ok(a?.status === 'completed');
  assert.deepEqual([a.patch, a.origin], ['/store/1.patch', { job_id: 'O', item_id: 'a' }]);
  assert.ok(b?.status === 'failed');
  assert.deepEqual([b.reason, b.last_error, b.attempt_count], ['timed_out', 'too: long', 2]);
  assert.ok(c?.status === 'cancelled');
  assert.equal(c.last_error, 'by hand');
  assert.equal(d, undefined);
});

test('in JSON Lines, a column that only some rows of the input have is still the input’s', async () => {
  const added = (item_id: string, agent_job_status: string, result: object = {}) => ({
    job_id: 'J',
    item_id,
    row_index: 0,
    source_id: '',
    agent_job_status,
    attempt_count: 1,
    last_error: 'no_report: silent',
    reported_at: 'R',
    completed_at: 'C',
    ...result,
    failure_class: 'quota',
    refused_reports: 2,
    usage: [{ attempt: 1, input_tokens: 1, cached_input_tokens: 0, output_tokens: 1 }],
    patch: '',
  });
  const lines = [
    { n: 1, ...added('a', 'completed', { agent_job_result: [5] }) },
    { n: 2, status: 'open', result: 'mine', ...added('b', 'failed') },
    { n: 3, result: 'mine', ...added('c', 'completed', { agent_job_result: null }) },
  ];
  const { rows, columns } = await read('out.jsonl', lines.map((x) => JSON.stringify(x)).join('\n'));
  assert.deepEqual(columns, ['n', 'status', 'result']);
  assert.deepEqual(
    rows.map(({ row }) => row),
    [{ n: 1 }, { n: 2, status: 'open', result: 'mine' }, { n: 3, result: 'mine' }],
  );
  const [a, b, c] = rows.map(({ outcome }) => outcome);
  assert.deepEqual(
    [a, c].map((outcome) => outcome?.status === 'completed' && outcome.result),
    [{ inline: [5] }, { inline: null }],
  );
  assert.ok(b?.status === 'failed');
  assert.deepEqual([b.failure_class, b.refused_reports, b.usage?.length], ['quota', 2, 1]);
});

test('what cannot have been written by a job is refused, with its line', async () => {
  const of = (...lines: string[]) => [`id,${ADDED}`, ...lines].join('\n');
  for (const [text, message] of [
    ['id,x\n1,2\n', /^out.csv: is not the output of a job: not all rows have job_id/],
    [of('1,J,a,0,1,completed,1,,{,R,C'), /^out.csv:2: result_json is not JSON/],
    [of('1,J,a,0,1,done,1,,1,R,C'), /^out.csv:2: the row's status is "done"/],
    [of('1,J,,0,1,completed,1,,1,R,C'), /^out.csv:2: the row has no item_id/],
    [of(`1,J,${'i'.repeat(300)},0,1,completed,1,,1,R,C`), /^out.csv:2: the row has no item_id/],
    [
      of('1,J,a,0,1,completed,1,,1,R,C', '2,J,a,1,2,completed,1,,1,R,C'),
      /^out.csv:3: more than one row is item a\./,
    ],
  ] as const) {
    await assert.rejects(read('out.csv', text), { name: 'InputError', message });
  }
});
