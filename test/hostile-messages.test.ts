/**
 * What may come to workflows from whoever reaches the server: activities completed by hand with anything,
 * floods of signals and updates, memos and arguments that cannot be decoded. See `hostile.test.ts`.
 * AGENT_JOBS_LONG=1 takes the server's own limits, 10,000 signals and 2,000 updates.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { PayloadConverter } from '@temporalio/common';
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import fc from 'fast-check';
import { dataConverter } from '../src/data-converter.js';
import { DEFAULT_LIMITS, type JobSpec, type Outcome } from '../src/job.js';
import {
  INVALID_INPUT_FAILURE,
  ITEM_WORKFLOW,
  JOB_WORKFLOW,
  itemQuery,
  itemWorkflowId,
  poolGrantSignal,
  progressQuery,
  reportSignal,
  reportUpdate,
  setUpdate,
} from '../src/messages.js';
import { anyJson, nastyBytes } from './fuzz/arbitraries.js';
import { cli } from './support/cli.js';
import { ROOT, Site, readOutput, statusOf, until } from './support/site.js';

const LONG = process.env['AGENT_JOBS_LONG'] === '1';
const MAX_SIGNALS = LONG ? 10_000 : 1000;
const MAX_UPDATES = LONG ? 2000 : 20;
const SENDERS = 32;

let site: Site;
before(async () => {
  site = await Site.open({
    dynamicConfig: LONG
      ? {}
      : {
          'history.maximumSignalsPerExecution': MAX_SIGNALS,
          'history.maxTotalUpdates': MAX_UPDATES,
        },
  });
  await site.worker();
});
after(() => site.close());

type Payload = ReturnType<PayloadConverter['toPayload']>;
const json = (text: string): Payload => ({
  metadata: { encoding: Buffer.from('json/plain') },
  data: Buffer.from(text),
});
const UNKNOWN: Payload = {
  metadata: { encoding: Buffer.from('binary/unknown') },
  data: Buffer.from('?'),
};
/** The server hands its encoding on as an array that is none of bytes. */
const NAMELESS: Payload = { metadata: { encoding: Buffer.alloc(0) }, data: Buffer.from('?') };
const handleOf = (workflowId: string) => site.client.workflow.getHandle(workflowId);

/** Workflows of a task queue whose activities nobody serves but the test. */
async function withoutActivities<T>(use: (taskQueue: string) => Promise<T>): Promise<T> {
  const taskQueue = `by-hand-${randomUUID()}`;
  const worker = await Worker.create({
    connection: site.env.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: join(ROOT, 'dist/workflow-bundle.js') },
    dataConverter,
  });
  return worker.runUntil(use(taskQueue));
}

/** Completes the next activity of a type that a workflow waits for. */
async function complete(workflowId: string, type: string, result: Payload | undefined) {
  const activityId = await until(`${type} of ${workflowId}`, async () => {
    const described = await handleOf(workflowId)
      .describe()
      .catch(() => undefined);
    return described?.raw.pendingActivities?.find(({ activityType }) => activityType?.name === type)
      ?.activityId;
  });
  await site.client.workflowService.respondActivityTaskCompletedById({
    namespace: 'default',
    identity: 'test',
    workflowId,
    activityId,
    ...(result !== undefined && { result: { payloads: [result] } }),
  });
}

const ABSURD: [string, Payload | undefined][] = [
  ['nothing', undefined],
  ['null', json('null')],
  ['a number', json('5')],
  ['a list', json('[{"kind":"exited"}]')],
  ['an object', json('{}')],
  ['unknown', UNKNOWN],
  ['broken', json('{"kind":')],
  ['of no kind', json('{"kind":"constructor","last_line":"x"}')],
  ['half', json('{"kind":"exited","last_line":7,"usage":{"input_tokens":"x"}}')],
];

test('a run that somebody completes by hand with anything fails its attempt, and wedges nothing', async () => {
  await withoutActivities(async (taskQueue) => {
    const ends = ABSURD.map(async ([what, payload], n) => {
      const workflowId = itemWorkflowId(`by-hand-${n}`, what);
      const input = {
        ...{ job_id: `by-hand-${n}`, store_id: 's', item_id: what, row_index: 0 },
        agent: { kind: 'process' },
        limits: { ...DEFAULT_LIMITS, report_grace_seconds: 0.1 },
      };
      const item = await site.client.workflow.start(ITEM_WORKFLOW, {
        workflowId,
        taskQueue,
        args: [input],
      });
      await complete(workflowId, 'runAgent', payload);
      await assert.rejects(item.result(), (error: Error) => {
        assert.match(String(error.cause), /agent_error: (its activity|what it returned could not)/);
        return true;
      });
    });
    await Promise.all(ends);
  });
});

test('what else somebody completes by hand is asked for again', async () => {
  const csv_path = await site.file('by-hand.csv', 'id\na\n');
  const pool = { name: `by-hand-${randomUUID()}`, size: 1 };
  const spec = { csv_path, instruction: 'x', agent: { external: true }, pool } satisfies JobSpec;
  await withoutActivities(async (taskQueue) => {
    const jobId = `by-hand-${randomUUID()}`;
    const job = await site.client.workflow.start(JOB_WORKFLOW, {
      workflowId: jobId,
      taskQueue,
      args: [spec],
    });
    // Each once with something absurd, then as it should be.
    await complete(jobId, 'openInput', json('{"store_id":1,"total":"many"}'));
    await complete(
      jobId,
      'openInput',
      json('{"store_id":"s","total":1,"search_attributes":false}'),
    );
    await complete(jobId, 'askPool', json('{"run":1}'));
    await complete(jobId, 'askPool', json(`"${randomUUID()}"`));
    const grant = { pool: pool.name, number: 1, asked: 1, slots: 1 };
    await handleOf(jobId).signal(poolGrantSignal, grant);
    await complete(jobId, 'listItems', UNKNOWN);
    await complete(jobId, 'listItems', json('["a"]'));
    const itemId = itemWorkflowId(jobId, 'a');
    await complete(itemId, 'describeItem', json('[]'));
    await complete(itemId, 'describeItem', json('{"prompt":"x","row":{}}'));
    const report = { result: 'x'.repeat(5000) };
    assert.deepEqual(await handleOf(itemId).executeUpdate(reportUpdate, { args: [report] }), {
      accepted: true,
    });
    await complete(itemId, 'saveResult', json('{"key":1}'));
    await complete(itemId, 'saveResult', json('"results/0.json"'));
    await complete(jobId, 'appendOutcomes', UNKNOWN);
    await complete(jobId, 'exportResults', json('{}'));
    await complete(jobId, 'exportResults', json('null'));
    const { verdict, completed } = (await job.result()) as { verdict: string; completed: number };
    assert.deepEqual([verdict, completed], ['succeeded', 1]);
  });
});

/** An item without its job, and, until there is a worker, without one. */
function startItem(taskQueue: string) {
  const input = {
    ...{ job_id: taskQueue, store_id: 's', item_id: 'a', row_index: 0, agent: { kind: 'process' } },
    limits: { ...DEFAULT_LIMITS, exit_grace_seconds: 0.1 },
  };
  const workflowId = itemWorkflowId(taskQueue, 'a');
  return site.client.workflow.start(ITEM_WORKFLOW, { workflowId, taskQueue, args: [input] });
}

/** So many junk signals as the server takes, and one more that it refuses. */
async function flood(workflowId: string): Promise<void> {
  const item = handleOf(workflowId);
  await until('the item', () =>
    item.signal(reportSignal, 'junk').then(
      () => true,
      () => false,
    ),
  );
  let left = MAX_SIGNALS - 1;
  const send = async () => {
    while (left > 0) {
      left -= 1;
      await item.signal(reportSignal, 'junk');
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  await assert.rejects(item.signal(reportSignal, 'junk'), ({ cause }: Error) => {
    assert.match(String(cause), /exceeded workflow execution limit for signal events/);
    return true;
  });
}

test(`a report behind ${MAX_SIGNALS - 1} junk signals that waited for a worker counts`, async () => {
  const taskQueue = `behind-${randomUUID()}`;
  const item = await startItem(taskQueue);
  let left = MAX_SIGNALS - 1;
  const send = async () => {
    while (left-- > 0) await item.signal(reportSignal, 'junk');
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  await item.signal(reportSignal, { result: 1 });
  const worker = await site.worker({ taskQueue });
  const { status, refused_reports } = (await item.result()) as Outcome;
  assert.deepEqual([status, refused_reports], ['completed', MAX_SIGNALS - 1]);
  worker.shutdown();
});

test(`${MAX_SIGNALS} junk signals: a process's report counts all the same`, async () => {
  const go = join(site.folder, 'flooded');
  const spec = await site.spec({
    a: [
      ['wait-for', go],
      ['report', { n: 1 }],
    ],
  });
  const job = await site.jobs.start(spec);
  await flood(itemWorkflowId(job.jobId, 'a'));
  await site.file('flooded', '');
  const { verdict, output_csv_path } = await job.result();
  assert.equal(verdict, 'succeeded');
  const [row] = await readOutput(output_csv_path);
  const { status, result_json, attempt_count } = row!;
  assert.deepEqual(
    { status, result_json, attempt_count },
    { status: 'completed', result_json: '{"n":1}', attempt_count: '1' },
  );
});

test('an external item that was flooded takes reports by update, then ends at its deadline with the limit', async () => {
  const csv_path = await site.file('flood.csv', 'id\nby-update\nsilent\n');
  const seconds = LONG ? 300 : 90;
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id' },
    agent: { external: true },
    max_runtime_seconds: seconds,
  });
  const report = (item_id: string, result: number) =>
    site.jobs.report({ job_id: job.jobId, item_id, result });
  for (const id of ['by-update', 'silent']) await flood(itemWorkflowId(job.jobId, id));
  assert.deepEqual(await report('by-update', 1), { accepted: true });

  const silent = handleOf(itemWorkflowId(job.jobId, 'silent'));
  // In a flood, workflow tasks may fail, and updates be refused until one does not.
  await until('silent is idle', async () => {
    const { raw } = await silent.describe();
    return !raw.pendingWorkflowTask;
  });
  for (let n = 0; n < MAX_UPDATES; n += 1) {
    const answer = await silent.executeUpdate(reportUpdate, { args: ['junk'] });
    assert.equal(answer.accepted, false);
  }
  const answer = await report('silent', 1);
  assert.equal(answer.accepted, false);
  assert.match(
    answer.accepted ? '' : answer.errors[0]!.message,
    /^the server takes no more reports for this item: .*2,000 and 10,000/,
  );
  const { verdict, failures } = await job.result();
  assert.equal(verdict, 'partial');
  assert.equal(failures[0]?.reason, 'timed_out');
  const count = MAX_SIGNALS + MAX_UPDATES;
  assert.ok(
    failures[0].last_error.startsWith(
      `no report within ${seconds} s, but ${count} that were refused: where the server's limit for one item`,
    ),
    failures[0].last_error,
  );
});

test('a report waits for an item whose workflow tasks fail, though the server takes no more signals', async () => {
  const taskQueue = `unready-${randomUUID()}`;
  const item = await startItem(taskQueue);
  await flood(item.workflowId);
  // From the third attempt on, the server refuses updates until one succeeds.
  for (let attempt = 1; attempt < 3; attempt += 1) {
    const polled = { namespace: 'default', taskQueue: { name: taskQueue, kind: 1 } };
    const { taskToken } = await site.client.withDeadline(Date.now() + 60_000, () =>
      site.client.workflowService.pollWorkflowTaskQueue(polled),
    );
    await site.client.workflowService.respondWorkflowTaskFailed({
      namespace: 'default',
      taskToken,
    });
  }
  await assert.rejects(item.executeUpdate(reportUpdate, { args: ['junk'] }), ({ cause }: Error) => {
    assert.match(String(cause), /due to Workflow Task in failed state/);
    return true;
  });
  const answer = site.jobs.report({ job_id: taskQueue, item_id: 'a', result: 1 });
  const worker = await site.worker({ taskQueue });
  assert.deepEqual(await answer, { accepted: true });
  assert.equal(((await item.result()) as Outcome).status, 'completed');
  worker.shutdown();
});

test('beyond the updates that the server takes, a report goes as a signal and is answered', async () => {
  const csv_path = await site.file('updates.csv', 'id\na\nb\n');
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id', agent: { external: true } },
    output_schema: { type: 'number' },
  });
  for (const id of ['a', 'b']) {
    const item = handleOf(itemWorkflowId(job.jobId, id));
    await until(`item ${id}`, () => item.query(itemQuery).catch(() => undefined));
    for (let n = 0; n < MAX_UPDATES; n += 1) {
      await item.executeUpdate(reportUpdate, { args: ['junk'] });
    }
  }
  const send = (item_id: string, result: number | string) =>
    site.jobs.report({ job_id: job.jobId, item_id, result });
  assert.deepEqual(await send('a', 'not a number'), {
    accepted: false,
    errors: [{ path: '', message: 'Instance type "string" is invalid. Expected "number".' }],
  });
  assert.deepEqual(await send('a', 1), { accepted: true });
  assert.deepEqual(await send('b', 2), { accepted: true });
  assert.equal((await job.result()).completed, 2);
});

test('more updates at once than the server takes in flight are all answered', async () => {
  const csv_path = await site.file('at-once.csv', 'id\na\n');
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id', agent: { external: true } },
    max_concurrency: 1,
  });
  await until('the item', async () => (await job.status()).running === 1);
  // More than the 10 that may be in flight, and then more than one run of the job is given.
  const atOnce = 15;
  for (const runs of [1, 2]) {
    const asked = Array.from({ length: atOnce }, (_, n) => job.set({ max_concurrency: runs + n }));
    const answers = await Promise.allSettled(asked);
    assert.deepEqual(
      answers.filter(({ status }) => status === 'rejected'),
      [],
    );
  }
  await job.set({ max_concurrency: 77 });
  assert.equal((await statusOf(job)).max_concurrency, 77);
  await job.cancel();
  await job.result();
});

test('arguments of queries and updates that cannot be decoded, or are absurd, wedge nothing', async () => {
  const csv_path = await site.file('arguments.csv', 'id\na\n');
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id', agent: { external: true } },
  });
  const item = itemWorkflowId(job.jobId, 'a');
  await until('the item', () =>
    handleOf(item)
      .query(itemQuery)
      .catch(() => undefined),
  );
  for (const payload of [
    UNKNOWN,
    NAMELESS,
    json('{"a":'),
    json('['.repeat(50_000) + ']'.repeat(50_000)),
  ]) {
    for (const [workflowId, queryType] of [
      [job.jobId, progressQuery.name],
      [item, itemQuery.name],
    ] as const) {
      const { queryResult } = await site.client.workflowService.queryWorkflow({
        namespace: 'default',
        execution: { workflowId },
        query: { queryType, queryArgs: { payloads: [payload, payload] } },
      });
      assert.equal(queryResult?.payloads?.length, 1);
    }
    for (const name of [setUpdate.name, 'cancel_item', 'retry_item', 'no-such-update']) {
      const { outcome } = await site.client.workflowService.updateWorkflowExecution({
        ...{ namespace: 'default', workflowExecution: { workflowId: job.jobId } },
        waitPolicy: { lifecycleStage: 3 },
        request: {
          meta: { updateId: randomUUID(), identity: 'test' },
          input: { name, args: { payloads: [payload] } },
        },
      });
      assert.ok(outcome?.failure, name);
    }
    for (const signalName of ['no-such-signal', '__proto__', 'constructor', 'x'.repeat(900)]) {
      for (const workflowId of [job.jobId, item]) {
        await site.client.workflowService.signalWorkflowExecution({
          ...{ namespace: 'default', workflowExecution: { workflowId } },
          ...{ requestId: randomUUID(), signalName, input: { payloads: [payload] } },
        });
      }
    }
  }
  assert.deepEqual(await site.jobs.report({ job_id: job.jobId, item_id: 'a', result: 1 }), {
    accepted: true,
  });
  assert.equal((await job.result()).verdict, 'succeeded');
});

test('an item that somebody starts with anything fails at once, and says why', async () => {
  const item = {
    job_id: 'by-hand',
    store_id: 'x',
    item_id: 'a',
    row_index: 0,
    agent: { kind: 'external' },
    limits: {
      ...{ max_runtime_seconds: 9, max_attempts: 1, report_grace_seconds: 0 },
      ...{ exit_grace_seconds: 0, max_result_bytes: 9 },
    },
  };
  const inputs: unknown[][] = [
    [],
    [null],
    ['x'],
    [{}],
    [{ ...item, agent: null }],
    [{ ...item, limits: {} }],
    [{ ...item, limits: { ...item.limits, max_runtime_seconds: 1e300 } }],
    [{ ...item, agent: { kind: 'activity', activity: 7, task_queue: 'x' } }],
    [{ ...item, row_index: 'x' }],
    [{ ...item, output_schema: { type: 'nothing' } }],
  ];
  for (const [n, args] of inputs.entries()) {
    const handle = await site.client.workflow.start(ITEM_WORKFLOW, {
      ...{ taskQueue: site.taskQueue, workflowId: `by-hand-${n}/a`, args },
    });
    const ended = await handle.result().catch((error: unknown) => error);
    assert.ok(ended instanceof WorkflowFailedError, String(ended));
    assert.ok(ended.cause instanceof ApplicationFailure);
    assert.equal(ended.cause.type, INVALID_INPUT_FAILURE);
  }
});

test('a job whose input is not in the store fails at once', async () => {
  const spec = { csv_path: '/x.csv', instruction: 'x', agent: { external: true } };
  const handle = await site.client.workflow.start(JOB_WORKFLOW, {
    ...{ taskQueue: site.taskQueue, workflowId: 'without-input' },
    args: [{ ...spec, input_key: 'input/none.csv' }],
  });
  await assert.rejects(handle.result(), (error: Error) => {
    assert.match(String(error.cause), /the job store .*without-input.* has no input\/none.csv: /);
    return true;
  });
});

test('an item that somebody has started under an ID that is no encoding hurts no list of its job', async () => {
  const csv_path = await site.file('foreign.csv', 'id\na\n');
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id', agent: { external: true } },
  });
  await until('the item waits', () => job.task('a').catch(() => undefined));
  const foreign = await site.client.workflow.start(ITEM_WORKFLOW, {
    // Nobody works there, so that it stays.
    taskQueue: 'nobody',
    workflowId: `${job.jobId}/%zz`,
  });
  const listed = async () => {
    const ids: string[] = [];
    for await (const { item_id } of job.items('running')) ids.push(item_id);
    return ids.length === 2 && ids;
  };
  assert.deepEqual(new Set(await until('both are listed', listed)), new Set(['a', '%zz']));
  await foreign.terminate();
  assert.deepEqual(await site.jobs.report({ job_id: job.jobId, item_id: 'a', result: 1 }), {
    accepted: true,
  });
  assert.equal((await job.result()).verdict, 'succeeded');
  const rows = async () => {
    const told: string[] = [];
    for await (const { item_id, status } of job.items()) told.push(`${item_id} ${status}`);
    return told[0] !== 'a running' && told;
  };
  assert.deepEqual(await until('it is listed as ended', rows), ['a completed']);
});

test('generated payloads in signals and updates: the job and its item go on', async (t) => {
  const seed = Number(process.env['AGENT_JOBS_FUZZ_SEED'] ?? 1);
  t.diagnostic(`seed ${seed}`);
  const encodings = ['json/plain', 'binary/null', 'binary/plain', 'json/protobuf', 'x', ''];
  const data = fc.oneof(
    nastyBytes,
    anyJson.map((value) => Buffer.from(JSON.stringify({ result: value, stop: value }))),
    anyJson.map((value) => Buffer.from(JSON.stringify(value) ?? '')),
  );
  const payload = fc
    .record({ encoding: fc.constantFrom(...encodings), messageType: nastyBytes, data })
    .map(({ encoding, messageType, data }) => ({
      metadata: { encoding: Buffer.from(encoding), messageType },
      data,
    }));
  const sent = fc.sample(fc.array(payload, { maxLength: 3 }), { numRuns: 200, seed });
  const csv_path = await site.file('generated.csv', 'id\na\n');
  const job = await site.jobs.start({
    ...{ csv_path, instruction: 'x', id_column: 'id', agent: { external: true } },
    // Nothing that is generated is it.
    output_schema: { const: 'the good one' },
  });
  const item = itemWorkflowId(job.jobId, 'a');
  await until('the item', () =>
    handleOf(item)
      .query(itemQuery)
      .catch(() => undefined),
  );
  for (const [n, payloads] of sent.entries()) {
    const to = { namespace: 'default', workflowExecution: { workflowId: item } };
    const signalName = reportSignal.name;
    await site.client.workflowService.signalWorkflowExecution({
      ...{ ...to, requestId: randomUUID(), signalName, input: { payloads } },
    });
    if (n % 20 !== 0) continue;
    const { outcome } = await site.client.workflowService.updateWorkflowExecution({
      ...to,
      waitPolicy: { lifecycleStage: 3 },
      request: {
        meta: { updateId: randomUUID(), identity: 'test' },
        input: { name: reportUpdate.name, args: { payloads } },
      },
    });
    assert.ok(outcome?.success, 'the item refuses, and does not fail');
  }
  const good = { job_id: job.jobId, item_id: 'a', result: 'the good one' };
  assert.deepEqual(await site.jobs.report(good), { accepted: true });
  assert.equal((await job.result()).verdict, 'succeeded');
});

test('workflows started by hand with memos of any kind do not keep jobs from being listed', async () => {
  const memos = { unknown: UNKNOWN, broken: json('{"a":'), absurd: json('5'), half: json('{}') };
  const ids: string[] = [];
  for (const [what, payload] of Object.entries(memos)) {
    const workflowId = `memo-${what}`;
    ids.push(workflowId);
    await site.client.workflowService.startWorkflowExecution({
      ...{ namespace: 'default', identity: 'test', requestId: randomUUID(), workflowId },
      workflowType: { name: JOB_WORKFLOW },
      taskQueue: { name: site.taskQueue },
      input: { payloads: [UNKNOWN] },
      memo: { fields: { summary: payload, opened: payload, outcome: payload, row_index: payload } },
    });
    await handleOf(workflowId)
      .result()
      .catch(() => {});
  }
  await until('the list', async () => {
    const listed = (await site.jobs.list()).filter(({ job_id }) => job_id.startsWith('memo-'));
    return listed.length === ids.length && listed.every(({ state }) => state === 'refused');
  });
  const { code, stdout, stderr } = await cli(['list'], { env: site.processEnv });
  assert.equal(code, 0, stderr);
  for (const id of ids) assert.ok(stdout.includes(id), stdout);
});
