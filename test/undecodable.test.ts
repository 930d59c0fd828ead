/**
 * Payloads that cannot be decoded, and absurd ones. A plain workflow would fail its task on them, again
 * and again, and so be wedged for ever: here they are refused or recorded.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type PayloadConverter, defaultPayloadConverter } from '@temporalio/common';
import type { ReportAnswer } from '../src/job.js';
import { JobRefused } from '../src/client.js';
import {
  JOB_WORKFLOW,
  itemQuery,
  itemWorkflowId,
  reportSignal,
  reportUpdate,
  stopSignal,
} from '../src/messages.js';
import { Site, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

type Payload = ReturnType<PayloadConverter['toPayload']>;
const payload = (encoding: string, data: string): Payload => ({
  metadata: { encoding: Buffer.from(encoding) },
  data: Buffer.from(data),
});
const UNKNOWN = payload('binary/unknown', '?');

function execution(workflowId: string) {
  return { namespace: 'default', identity: 'test', workflowExecution: { workflowId } };
}

async function signal(workflowId: string, signalName: string, ...payloads: Payload[]) {
  await site.client.workflowService.signalWorkflowExecution({
    ...execution(workflowId),
    requestId: randomUUID(),
    signalName,
    input: { payloads },
  });
}

async function update(workflowId: string, ...payloads: Payload[]): Promise<ReportAnswer> {
  const { outcome } = await site.client.workflowService.updateWorkflowExecution({
    ...execution(workflowId),
    waitPolicy: { lifecycleStage: 3 },
    request: {
      meta: { updateId: randomUUID(), identity: 'test' },
      input: { name: reportUpdate.name, args: { payloads } },
    },
  });
  return defaultPayloadConverter.fromPayload(outcome!.success!.payloads![0]!);
}

test('a report that cannot be decoded is refused, and the next good one is taken', async () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  const cases: Record<string, [Payload, RegExp]> = {
    unknown: [UNKNOWN, /^the report could not be decoded: Unknown encoding: binary.unknown$/],
    broken: [payload('json/plain', '{"res'), /^the report could not be decoded: .*JSON/],
    proto: [payload('json/protobuf', '{}'), /^the report could not be decoded: /],
    deep: [
      payload('json/plain', `{"result":${deep(100_000)}}`),
      /^the result is nested deeper than 200 levels$/,
    ],
    strange: [payload('json/plain', deep(100_000)), /expected object, received array$/],
  };
  const rows = Object.fromEntries(Object.keys(cases).map((id) => [id, []]));
  const job = await site.jobs.start(await site.spec(rows, { agent: { external: true } }));
  for (const [id, [broken, reason]] of Object.entries(cases)) {
    const item = site.client.workflow.getHandle(itemWorkflowId(job.jobId, id));
    await until(`item ${id}`, () =>
      signal(item.workflowId, reportSignal.name, broken).then(
        () => true,
        () => false,
      ),
    );
    assert.equal((await update(item.workflowId, broken)).accepted, false);
    assert.deepEqual(await item.executeUpdate(reportUpdate, { args: [{ result: id }] }), {
      accepted: true,
    });
    const { refused_reports } = await item.query(itemQuery);
    assert.equal(refused_reports.length, 2, id);
    for (const { errors } of refused_reports) assert.match(errors, reason);
  }
  assert.equal((await job.result()).verdict, 'succeeded');
});

test('a stop that cannot be decoded is one without a reason', async () => {
  const job = await site.jobs.start(
    await site.spec({ a: [], b: [] }, { agent: { external: true }, max_concurrency: 1 }),
  );
  await until('the item', async () => (await job.status()).running === 1);
  await signal(job.jobId, stopSignal.name, UNKNOWN, UNKNOWN);
  await until('the stop', async () => (await job.status()).state === 'stopping');
  // One that is asked for counts as running before it has started.
  await until('the report is accepted', async () => {
    return (await site.jobs.report({ job_id: job.jobId, item_id: 'a', result: 1 })).accepted;
  });
  const { verdict, completed, pending, stop_reason } = await job.result();
  assert.deepEqual([verdict, completed, pending, stop_reason], ['stopped', 1, 1, 'stop requested']);
});

test('a spec that cannot be read fails its job with the reason, at once', async () => {
  const deep = `${'{"not":'.repeat(50_000)}{}${'}'.repeat(50_000)}`;
  const spec = (schema: string) =>
    `{"csv_path":"/x.csv","instruction":"x","agent":{"external":true},"output_schema":${schema}}`;
  const cases: [Payload[], RegExp][] = [
    [[UNKNOWN], /^could not be decoded: Unknown encoding/],
    [[], /^Invalid input: expected object, received undefined$/],
    [[payload('json/plain', 'null')], /^Invalid input: expected object, received null$/],
    [[payload('json/plain', spec(deep))], /^(the spec|output_schema:) is nested/],
    [[payload('json/plain', spec('{"$ref":"#"}'))], /^output_schema: the reference "#" leads back/],
    [
      [payload('json/plain', 'null'), payload('json/plain', '5')],
      /^Invalid input: expected object/,
    ],
    [[payload('json/plain', 'null'), UNKNOWN], /^Invalid input: expected object/],
  ];
  for (const [payloads, reason] of cases) {
    const jobId = randomUUID();
    await site.client.workflowService.startWorkflowExecution({
      namespace: 'default',
      identity: 'test',
      requestId: randomUUID(),
      workflowId: jobId,
      workflowType: { name: JOB_WORKFLOW },
      taskQueue: { name: site.taskQueue },
      input: { payloads },
    });
    await assert.rejects(site.jobs.job(jobId).result(), (error) => {
      assert.ok(error instanceof JobRefused, String(error));
      assert.match(error.message, reason);
      return true;
    });
  }
});
