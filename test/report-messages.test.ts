/** Reports to items by signal and by update. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { JobHandle } from '../src/client.js';
import type { Json, Outcome, ReportAnswer } from '../src/job.js';
import {
  type ItemView,
  itemQuery,
  itemWorkflowId,
  reportSignal,
  reportUpdate,
} from '../src/messages.js';
import { Site, readOutput, until } from './support/site.js';

let site: Site;
/** Its items wait for reports. */
let job: JobHandle;

const GOOD = { label: 'good' };
const SCHEMA = {
  type: 'object',
  properties: { label: { enum: ['good', 'bad'] } },
  required: ['label'],
};
const ITEMS = 'view schema oversized ids malformed binary update settled huge'.split(' ');

before(async () => {
  site = await Site.open();
  await site.worker();
  const external = {
    agent: { external: true } as const,
    instruction: 'Classify {id}',
    output_schema: SCHEMA,
    max_result_bytes: 1000,
  };
  const rows = Object.fromEntries(ITEMS.map((id) => [id, []]));
  job = await site.jobs.start(await site.spec(rows, external));
  for (const id of ITEMS)
    await until(`item ${id}`, async () => (await view(id).catch(unlessNotFound)).run === 1);
});
after(() => site.close());

const item = (id: string) => site.client.workflow.getHandle(itemWorkflowId(job.jobId, id));
const view = (id: string) => item(id).query(itemQuery);
const traces = async (id: string) =>
  (await view(id)).refused_reports.map(({ at, errors }) => {
    assert.match(at, /^\d{4}-\d\d-\d\dT.*Z$/);
    return errors;
  });
const update = (id: string, ...args: unknown[]): Promise<ReportAnswer> =>
  item(id).executeUpdate(reportUpdate, { args: args as [unknown] });
const signal = (id: string, ...args: unknown[]): Promise<void> =>
  item(id).signal<unknown[]>(reportSignal.name, ...args);
const refused = (...errors: [message: string, path?: string][]): ReportAnswer => ({
  accepted: false,
  errors: errors.map(([message, path = '']) => ({ path, message })),
});

/** An item that has not been started yet has no run. */
function unlessNotFound(error: unknown): Partial<ItemView> {
  if (error instanceof WorkflowNotFoundError) return {};
  throw error;
}

/** Reports well, and sees that this was the result. */
async function completes(id: string, result: Json = GOOD): Promise<void> {
  assert.deepEqual(await update(id, { result }), { accepted: true });
  const outcome = (await item(id).result()) as Outcome;
  assert.equal(outcome.status, 'completed');
  assert.deepEqual(outcome.status === 'completed' && outcome.result, { inline: result });
  assert.equal(outcome.attempt_count, 1);
}

test('an item tells what is to be done, and how it stands', async () => {
  const { deadline, ...rest } = await view('view');
  const left = Date.parse(deadline!) - Date.now();
  assert.ok(left > 1_700_000 && left <= 1_800_000, `${left} ms of 30 minutes left`);
  assert.deepEqual(rest, {
    job_id: job.jobId,
    item_id: 'view',
    row_index: 0,
    attempt: 1,
    run: 1,
    prompt: 'Classify view',
    row: { id: 'view', steps: '[]' },
    output_schema: SCHEMA,
    reported: false,
    refused_reports: [],
  });
  await completes('view');
  const { reported } = await view('view');
  assert.equal(reported, true);
});

test('a result that breaks the schema is refused: an update is told, a signal leaves a trace', async () => {
  const ugly = 'Instance does not match any of ["good","bad"].';
  assert.deepEqual(
    await update('schema', { result: { label: 'ugly' } }),
    refused([ugly, '/label']),
  );
  await signal('schema', { result: {} });
  await signal('schema', { result: [] });
  const missing = 'Instance does not have required property "label".';
  await completes('schema', { label: 'bad' });
  assert.deepEqual(await traces('schema'), [
    `/label: ${ugly}`,
    missing,
    'Instance type "array" is invalid. Expected "object".',
  ]);
});

test('a result that is too large is refused with the limit', async () => {
  const size = JSON.stringify({ label: 'good', text: 'x'.repeat(1000) }).length;
  const told = `the result is ${size} bytes, at most 1000 are taken`;
  const report = { result: { label: 'good', text: 'x'.repeat(1000) } };
  assert.deepEqual(await update('oversized', report), refused([told]));
  await signal('oversized', report);
  await signal('oversized', { result: 'x'.repeat(1_500_000) });
  await completes('oversized');
  assert.deepEqual(await traces('oversized'), [
    told,
    told,
    'the result is 1500002 bytes, at most 1000 are taken',
  ]);
});

test('a refusal quotes what it refuses, within limits', async () => {
  const answers = [
    await update('huge', { result: GOOD, ['x'.repeat(1_000_000)]: 1 }),
    await update('huge', { result: GOOD, item_id: 'x'.repeat(1_000_000) }),
    await update(
      'huge',
      Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`x${n}`, 1])),
    ),
  ];
  for (const answer of answers) {
    assert.equal(answer.accepted, false);
    assert.ok(JSON.stringify(answer).length < 1000, `${JSON.stringify(answer).length} characters`);
  }
  await completes('huge');
});

test('IDs that are given have to match', async () => {
  const own = { result: GOOD, job_id: job.jobId, item_id: 'ids', run: 1 };
  const wrong: [object, string][] = [
    [{ job_id: 'other' }, `the report is of job other, this item is of job ${job.jobId}`],
    [{ item_id: 'view' }, 'the report is of item view, this is item ids'],
    [{ run: 0 }, 'the report is of run 0, this item is in run 1'],
    [{ run: 2 }, 'the report is of run 2, this item is in run 1'],
  ];
  for (const [ids, told] of wrong) {
    assert.deepEqual(await update('ids', { ...own, ...ids }), refused([told]));
  }
  await signal('ids', { ...own, item_id: 'IDS' });
  await signal('ids', own);
  await item('ids').result();
  const told = [...wrong.map(([, told]) => told), 'the report is of item IDS, this is item ids'];
  assert.deepEqual(await traces('ids'), told);
});

test('what is no report is refused', async () => {
  const wrong: [unknown[], ...[message: string, path?: string][]][] = [
    [[], ['a report is one argument, none came']],
    [[{ result: GOOD }, { result: GOOD }], ['a report is one argument, 2 came']],
    [[null], ['the report: Invalid input: expected object, received null']],
    [
      ['{"result":{"label":"good"}}'],
      ['the report: Invalid input: expected object, received string'],
    ],
    [[[{ result: GOOD }]], ['the report: Invalid input: expected object, received array']],
    [[{}], ['the report: "result" is missing']],
    [[GOOD], ['the report: Unrecognized key: "label"']],
    [
      [{ result: GOOD, stop: 1, run: 1.5 }],
      ['the report.stop: Invalid input: expected boolean, received number'],
      ['the report.run: Invalid input: expected int, received number'],
    ],
  ];
  for (const [args, ...errors] of wrong) {
    assert.deepEqual(await update('malformed', ...args), refused(...errors), JSON.stringify(args));
  }
  // By signal, too; the last five traces are kept.
  for (const [args] of wrong) await signal('malformed', ...args);
  await completes('malformed');
  const told = wrong.map(([, ...errors]) => errors.map(([message]) => message).join('; '));
  assert.deepEqual(await traces('malformed'), told.slice(-5));
});

test('binary data is no report', async () => {
  const told = 'the report is binary data, not JSON';
  assert.deepEqual(await update('binary', new Uint8Array(1_000_000)), refused([told]));
  await signal('binary', new Uint8Array([1, 2, 3]));
  await completes('binary');
  assert.deepEqual(await traces('binary'), [told, told]);
});

test('an update is answered: accepted, the same again, another, and none once the item has closed', async () => {
  assert.deepEqual(await site.jobs.report({ job_id: job.jobId, item_id: 'update', result: GOOD }), {
    accepted: true,
  });
  await item('update').result();
  const late = { job_id: job.jobId, item_id: 'update', result: GOOD };
  const ended = 'no such item runs: it has ended, or has not been started';
  assert.deepEqual(await site.jobs.report(late), refused([ended]));
  await assert.rejects(signal('update', { result: { label: 'bad' } }), WorkflowNotFoundError);

  // Two at once: the workflow may take both before it closes, or have closed before the second.
  const report = () => site.jobs.report({ job_id: job.jobId, item_id: 'settled', result: GOOD });
  const answers = await Promise.all([report(), report(), report()]);
  assert.equal(answers.filter(({ accepted }) => accepted).length >= 1, true);
  for (const answer of answers) {
    if (!answer.accepted) assert.match(answer.errors[0]!.message, /ended/);
  }
});

test('while an agent runs on after its report, another one is refused and the same one is a duplicate', async () => {
  const go = join(site.folder, 'go');
  const running = await site.jobs.start(
    await site.spec({
      a: [
        ['report', GOOD],
        ['wait-for', go],
      ],
    }),
  );
  const handle = site.client.workflow.getHandle(itemWorkflowId(running.jobId, 'a'));
  await until('the report', () =>
    handle.query(itemQuery).then(
      ({ reported }) => reported,
      () => false,
    ),
  );
  const send = (result: Json) => handle.executeUpdate(reportUpdate, { args: [{ result }] });
  assert.deepEqual(await send(GOOD), { accepted: true, duplicate: true });
  assert.deepEqual(await send({ label: 'bad' }), refused(['another result was accepted before']));
  await site.file('go', '');
  assert.equal((await running.result()).completed, 1);
  const { refused_reports } = await handle.query(itemQuery);
  assert.deepEqual(
    refused_reports.map(({ errors }) => errors),
    ['another result was accepted before'],
  );
});

test('an external item has its time for each attempt, and a report of an earlier one is refused', async () => {
  const brief = await site.jobs.start(
    await site.spec(
      { silent: [], wrong: [], second: [] },
      {
        agent: { external: true },
        output_schema: SCHEMA,
        max_runtime_seconds: 4,
        max_attempts: 2,
      },
    ),
  );
  const of = (id: string) => site.client.workflow.getHandle(itemWorkflowId(brief.jobId, id));
  const second = of('second');
  for (const item of [second, of('wrong')]) {
    await until('the second attempt', async () => {
      const { run, attempt } = await item.query(itemQuery).catch(unlessNotFound);
      return run === 2 && attempt === 2;
    });
  }
  await of('wrong').signal(reportSignal, { result: {} });
  const send = (run: number) =>
    second.executeUpdate(reportUpdate, { args: [{ result: GOOD, run }] });
  assert.deepEqual(await send(1), refused(['the report is of run 1, this item is in run 2']));
  assert.deepEqual(await send(2), { accepted: true });

  const { verdict, failures, completed } = await brief.result();
  assert.deepEqual([verdict, completed], ['partial', 1]);
  const silent = 'no report within 4 s';
  const missing = 'Instance does not have required property "label".';
  assert.deepEqual(
    failures.toSorted((a, b) => a.item_id.localeCompare(b.item_id)),
    [
      { item_id: 'silent', reason: 'timed_out', last_error: silent },
      { item_id: 'wrong', reason: 'timed_out', last_error: `${silent}; refused: ${missing}` },
    ],
  );
  const rows = await readOutput((await brief.status()).output_csv_path!);
  assert.deepEqual(
    rows.map(({ status, attempt_count }) => [status, attempt_count]),
    [
      ['failed', '2'],
      ['failed', '2'],
      ['completed', '2'],
    ],
  );
});
