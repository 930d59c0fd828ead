/** Agents that are activities of a user's own worker, which knows nothing of agent-jobs. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { ApplicationFailure, type Payload } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Json, JobSpec } from '../src/client.js';
import { type EndedJob, runJob } from './support/ended-job.js';
import { Site, until } from './support/site.js';

/** What an activity gets. */
interface Task {
  job_id: string;
  item_id: string;
  attempt: number;
  run: number;
  prompt: string;
  row: { id: string };
  output_schema?: Json;
}

let site: Site;
const workers: Worker[] = [];
let running: Promise<unknown>;
const TASK_QUEUE = 'own-activities';
/** Its worker returns what nobody else can read. */
const ENCRYPTING = 'own-activities-encrypting';
const SCHEMA = { type: 'object', properties: { label: { type: 'string' } }, required: ['label'] };
/** Not released before the test ends: it would keep its worker. */
const end = new AbortController();

async function signal({ job_id, item_id }: Task, report: object): Promise<void> {
  await site.client.workflow
    .getHandle(`${job_id}/${item_id}`)
    .signal('report_agent_job_result', report);
}

/** Reports once the item knows that its activity has returned without a report. */
async function reportWhenReturned(task: Task): Promise<void> {
  const item = site.client.workflow.getHandle(`${task.job_id}/${task.item_id}`);
  await until('the activity has ended', async () => {
    const { events } = await item.fetchHistory();
    const last = events?.findLast((event) => event.activityTaskCompletedEventAttributes);
    return events?.some(
      (event) =>
        event.workflowTaskCompletedEventAttributes && Number(event.eventId) > Number(last?.eventId),
    );
  });
  await signal(task, { result: { label: 'afterwards' } });
}

/** What the activity does, by the item's ID. */
const behaviours: Record<string, (task: Task) => unknown> = {
  returns: (task) => ({ label: 'returned', task: task as unknown as Json }),
  signals: async (task) => {
    await signal(task, { result: { label: 'signalled' }, run: task.run, item_id: task.item_id });
    return { label: 'too late' };
  },
  'signals-nothing': async (task) => {
    await signal(task, { result: { label: 'signalled' } });
    return undefined;
  },
  'signals-then-throws': async (task) => {
    await signal(task, { result: { label: 'signalled' } });
    throw new Error('after its report');
  },
  'repairs-by-returning': async (task) => {
    await signal(task, { result: { name: 'wrong' } });
    return { label: 'returned' };
  },
  'reports-afterwards': (task) => {
    void reportWhenReturned(task);
    return undefined;
  },
  'throws-for-good': () => {
    throw ApplicationFailure.nonRetryable('not a ticket');
  },
  throws: () => {
    throw new Error('no such ticket');
  },
  'throws-once': ({ attempt }) => {
    if (attempt === 1) throw new Error('first attempt');
    return { label: `attempt ${attempt}` };
  },
  silent: () => undefined,
  null: () => null,
  invalid: () => ({ name: 'no label' }),
  binary: () => new Uint8Array([1, 2, 3]),
  slow: () => delay(60_000, undefined, { signal: end.signal }).catch(() => {}),
  stays: async (task) => {
    await signal(task, { result: { label: 'signalled' } });
    await delay(60_000, undefined, { signal: end.signal }).catch(() => {});
  },
};

before(async () => {
  site = await Site.open();
  await site.worker();
  const common = {
    connection: await NativeConnection.connect({ address: site.env.address }),
    namespace: 'default',
    activities: { classify: (task: Task) => behaviours[task.row.id]!(task) },
    shutdownGraceTime: 0,
  };
  const encrypt = async (payloads: Payload[]) =>
    payloads.map(() => ({ metadata: { encoding: Buffer.from('binary/encrypted') } }));
  const payloadCodecs = [{ encode: encrypt, decode: async (payloads: Payload[]) => payloads }];
  workers.push(
    await Worker.create({ ...common, taskQueue: TASK_QUEUE }),
    await Worker.create({ ...common, taskQueue: ENCRYPTING, dataConverter: { payloadCodecs } }),
  );
  running = Promise.all(workers.map((worker) => worker.run()));
});
after(async () => {
  end.abort();
  for (const worker of workers) worker.shutdown();
  await running;
  await site.close();
});

async function run(ids: string[], spec: Partial<JobSpec>): Promise<EndedJob> {
  return runJob(site, {
    ...(await site.spec(Object.fromEntries(ids.map((id) => [id, []])))),
    agent: { activity: 'classify', task_queue: TASK_QUEUE },
    instruction: 'Classify {id}',
    output_schema: SCHEMA,
    exit_grace_seconds: 1,
    ...spec,
  });
}

test('a report that travels apart from its activity may come after it', async () => {
  const { rows } = await run(['reports-afterwards'], { report_grace_seconds: 60 });
  const { status, result } = rows['reports-afterwards']!;
  assert.deepEqual([status, result], ['completed', { label: 'afterwards' }]);
});

test('what an activity returns is its report, if none came by signal', async () => {
  const ids =
    'returns signals signals-nothing signals-then-throws repairs-by-returning stays'.split(' ');
  const { rows, jobId } = await run(ids, {});
  const labels = Object.entries(rows).map(([id, { status, result, error, attempts }]) => {
    assert.equal(status, 'completed', `${id}: ${error}`);
    assert.equal(attempts, 1);
    return (result as { label: string }).label;
  });
  assert.deepEqual(labels, [
    'returned',
    ...Array<string>(3).fill('signalled'),
    'returned',
    'signalled',
  ]);
  assert.deepEqual((rows['returns']!.result as { task: Task }).task, {
    job_id: jobId,
    item_id: 'returns',
    attempt: 1,
    run: 1,
    prompt: 'Classify returns',
    row: { id: 'returns', steps: '[]' },
    output_schema: SCHEMA,
  });
});

test('an activity that brings no valid report fails its item, with what it said', async () => {
  const { rows, summary } = await run(['throws', 'silent', 'null', 'invalid', 'binary', 'slow'], {
    max_runtime_seconds: 3,
    report_grace_seconds: 0,
  });
  const errors = Object.fromEntries(
    Object.entries(rows).map(([id, { status, error }]) => {
      assert.equal(status, 'failed');
      return [id, error];
    }),
  );
  const silent = 'the activity returned without reporting';
  assert.deepEqual(errors, {
    throws: 'agent_error: no such ticket',
    silent: `no_report: ${silent}`,
    null: `no_report: ${silent}`,
    invalid: `invalid_report: ${silent}; refused: Instance does not have required property "label".`,
    binary: `invalid_report: ${silent}; refused: the result is binary data, not JSON`,
    slow: 'timed_out: still running after the 3 s allowed',
  });
  assert.deepEqual([summary.verdict, summary.failed], ['failed', 6]);
});

test('attempts are counted', async () => {
  const { rows } = await run(['throws-once', 'throws'], {
    max_attempts: 2,
    report_grace_seconds: 0,
  });
  assert.deepEqual(
    Object.values(rows).map(({ status, attempts, error }) => [status, attempts, error]),
    [
      ['completed', 2, ''],
      ['failed', 2, 'agent_error: no such ticket'],
    ],
  );
  assert.deepEqual(rows['throws-once']!.result, { label: 'attempt 2' });
});

test('an activity that says that it is no use is not tried again', async () => {
  const { rows } = await run(['throws-for-good'], { max_attempts: 3 });
  const { status, attempts, error } = rows['throws-for-good']!;
  assert.deepEqual([status, attempts, error], ['failed', 1, 'agent_error: not a ticket']);
});

test('an activity that its worker does not know, or whose result cannot be decoded, fails its item', async () => {
  const ended = await Promise.all([
    run(['returns'], { agent: { activity: 'misspelt', task_queue: TASK_QUEUE } }),
    run(['returns'], { agent: { activity: 'classify', task_queue: ENCRYPTING } }),
  ]);
  const [unknown, encrypted] = ended.map(({ rows }) => {
    assert.equal(rows['returns']!.status, 'failed');
    return rows['returns']!.error;
  });
  assert.match(unknown!, /^agent_error: .*misspelt.*not registered/);
  assert.match(
    encrypted!,
    /^agent_error: what it returned could not be decoded: it is encrypted with key "", which this/,
  );
});
