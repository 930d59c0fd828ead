/** Jobs whose payloads and store are encrypted: all that works without keys works, and no cell is plain. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, type Payload, defaultPayloadConverter } from '@temporalio/client';
import { AgentJobs, type ItemSummary, type JobHandle, Undecodable } from '../src/client.js';
import { dataConverterFor } from '../src/data-converter.js';
import { parseKeys } from '../src/encryption/keys.js';
import { EncryptionCodec } from '../src/encryption/payload-codec.js';
import { itemQuery, reportSignal } from '../src/messages.js';
import { currentRun, itemsOf, nextRun, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { lightSpec } from './support/light-agent.js';
import { Site, type Step, readOutput, until } from './support/site.js';

const KEYS = `k1 = ${'ab'.repeat(32)}`;
const OTHER = parseKeys(`k9 = ${'cd'.repeat(32)}`);

let site: Site;
before(async () => {
  site = await Site.open({
    keys: KEYS,
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 },
  });
  await site.worker();
});
after(() => site.close());

const external = { agent: { external: true } } as const;

/** All that the server has of a job's workflows, as text. */
async function onServer(jobId: string): Promise<string> {
  const items = (await itemsOf(site.client, jobId)).map(({ workflowId }) => workflowId);
  const parts: string[] = [];
  for (const workflowId of [jobId, ...items]) {
    const execution = { workflowId };
    const { history } = await site.client.workflowService.getWorkflowExecutionHistory({
      namespace: 'default',
      execution,
    });
    const description = await site.client.workflowService.describeWorkflowExecution({
      namespace: 'default',
      execution,
    });
    parts.push(...textsIn(history), ...textsIn(description));
  }
  return parts.join('\n');
}

/** All texts of a message, bytes among them: what is plain JSON can be read in it. */
function* textsIn(message: unknown): Generator<string> {
  if (typeof message === 'string') yield message;
  else if (message instanceof Uint8Array) yield Buffer.from(message).toString();
  else if (typeof message === 'object' && message !== null) {
    for (const [key, value] of Object.entries(message)) {
      yield key;
      yield* textsIn(value);
    }
  }
}

describe('an encrypted job', { concurrency: 4 }, () => {
  it('goes as any other, and the server has no cell, no result and no message of it', async () => {
    const rows: Record<string, Step[]> = {
      'alice-PLANTED@example.org': [['report', { label: 'PLANTED result' }]],
      'bob-PLANTED': [
        ['out', 'PLANTED output'],
        ['exit', 3],
      ],
      'carol-PLANTED': [['report', 'x'.repeat(9000) + 'PLANTED large']],
      'dave-PLANTED': [['report', 1, { stop: true }]],
    };
    const spec = await site.spec(rows, { max_concurrency: 1 });
    const job = await site.jobs.start(spec, { jobId: 'goes' });
    const summary = await job.result();
    assert.deepEqual([summary.verdict, summary.completed, summary.failed], ['partial', 3, 1]);
    assert.equal(summary.failures[0]?.item_id, 'bob-PLANTED');
    const output = await readOutput(summary.output_csv_path);
    assert.deepEqual(
      output.map((row) => [row['item_id'], row['status']]),
      [
        ['alice-PLANTED@example.org', 'completed'],
        ['bob-PLANTED', 'failed'],
        ['carol-PLANTED', 'completed'],
        ['dave-PLANTED', 'completed'],
      ],
    );
    assert.match(output[1]!['last_error']!, /PLANTED output/);
    const text = await onServer('goes');
    assert.match(text, /binary.encrypted/);
    assert.match(text, /Encoded failure/);
    assert.match(text, /no_report|agent_error/);
    assert.doesNotMatch(text, /PLANTED|alice|steps/);
  });

  it('names the workflows of its items by row, and finds each by its ID', async () => {
    const job = await site.jobs.start(await site.spec({ 'a/ü': [], b: [], c: [] }, external));
    const { jobId } = job;
    const running = async () => {
      const found = [];
      for await (const item of job.items('running')) found.push(item);
      return found;
    };
    const items = await until('three run', async () => {
      const found = await running();
      return found.length === 3 && found;
    });
    assert.deepEqual(
      items.map(({ item_id, workflow_id }) => [item_id, workflow_id]),
      [
        ['a/ü', `${jobId}/row:1`],
        ['b', `${jobId}/row:2`],
        ['c', `${jobId}/row:3`],
      ],
    );
    const task = await until('the task', () => job.task('a/ü'));
    assert.equal(task.row['id'], 'a/ü');
    assert.deepEqual(await site.jobs.report({ job_id: jobId, item_id: 'a/ü', result: 1 }), {
      accepted: true,
    });
    assert.equal(
      (await site.jobs.report({ job_id: jobId, item_id: 'none', result: 1 })).accepted,
      false,
    );
    await job.cancelItem('b');
    await until('b is cancelled', async () => (await job.status()).cancelled === 1);
    await job.retryItem('b');
    await until('b runs again', async () =>
      (await running()).some(({ workflow_id }) => workflow_id === `${jobId}/row:2/2`),
    );
    assert.deepEqual(await site.jobs.report({ job_id: jobId, item_id: 'b', result: 2 }), {
      accepted: true,
    });
    const { code, stdout, stderr } = await cli(['report', '3', '--job', jobId, '--item', 'c'], {
      env: site.processEnv,
    });
    assert.deepEqual([code, stdout], [0, 'The report is accepted.\n'], stderr);
    const summary = await job.result();
    assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 3]);
    const all = await until('none is listed as running', async () => {
      const items: ItemSummary[] = [];
      for await (const item of job.items()) items.push(item);
      return items.every(({ status }) => status !== 'running') && items;
    });
    const told = all.map(({ item_id, workflow_id, status }) => [item_id, workflow_id, status]);
    assert.deepEqual(told, [
      ['a/ü', `${jobId}/row:1`, 'completed'],
      ['b', `${jobId}/row:2/2`, 'completed'],
      ['c', `${jobId}/row:3`, 'completed'],
    ]);
  });

  it('continues as new with its items in flight, and has every row once', async () => {
    const rows = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [`r${n}`, `sleep 0.${n % 7}; report ${n}`]),
    );
    const job = await site.jobs.start(await lightSpec(site, rows, { max_concurrency: 8 }));
    await nextRun(site.client, job.jobId, await currentRun(site.client, job.jobId));
    const summary = await job.result();
    assert.equal(summary.verdict, 'succeeded');
    assert.ok((await runsOf(site.client, job.jobId)).length > 2);
    const results = (await readOutput(summary.output_csv_path)).map((row) => row['result_json']);
    assert.deepEqual(
      results,
      Array.from({ length: 60 }, (_, n) => String(n)),
    );
  });

  it('has what its agents say read by who has the keys, and by nobody else', async () => {
    const go = join(site.folder, 'said');
    const steps: Step[] = [
      ['out', 'PLANTED words'],
      ['wait-for', go],
      ['report', 1],
    ];
    const job = await site.jobs.start(await site.spec({ a: steps }));
    const said = await until('it is heard', async () => {
      const running = [];
      for await (const item of job.items('running')) running.push(item);
      const lines = await job.lastLines(running);
      return lines.size > 0 && lines;
    });
    assert.deepEqual([...said], [[`${job.jobId}/row:1`, 'PLANTED words']]);
    assert.doesNotMatch(await onServer(job.jobId), /PLANTED/);
    await writeFile(go, '');
    assert.equal((await job.result()).verdict, 'succeeded');
  });

  it('takes a result as large as any may be', async () => {
    const spec = await site.spec(
      { a: [['report-sized', 1_048_576]] },
      { max_result_bytes: 1_048_576 },
    );
    const job = await site.jobs.start(spec);
    assert.equal((await job.result()).verdict, 'succeeded');
  });

  it('leaves its items to be ended when it is terminated, and its results to be written', async () => {
    const job = await site.jobs.start(await site.spec({ a: [], b: [] }, external));
    const two = async () =>
      (await itemsOf(site.client, job.jobId)).filter(({ status }) => status.name === 'RUNNING')
        .length === 2;
    await until('two run', two);
    await site.jobs.report({ job_id: job.jobId, item_id: 'a', result: 'reported' });
    await site.client.workflow.getHandle(job.jobId).terminate();
    await job.cancel();
    // By the list, by which results are told where they are not written.
    await until('none runs', async () => {
      const query = `WorkflowId STARTS_WITH '${job.jobId}/' AND ExecutionStatus = 'Running'`;
      return (await site.client.workflow.count(query)).count === 0;
    });
    const output = await readOutput(await job.results(undefined, { overwrite: true }));
    assert.deepEqual(
      output.map((row) => [row['item_id'], row['status'], row['result_json']]),
      [
        ['a', 'completed', '"reported"'],
        ['b', 'cancelled', ''],
      ],
    );
  });
});

describe('what cannot be decrypted', { concurrency: 4 }, () => {
  const signal = (workflowId: string, payload: Payload) =>
    site.client.workflowService.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId },
      identity: 'test',
      requestId: randomUUID(),
      signalName: reportSignal.name,
      input: { payloads: [payload] },
    });

  it('is refused as a report, and the next good one is taken', async () => {
    const job = await site.jobs.start(await site.spec({ a: [] }, external));
    const item = site.client.workflow.getHandle(`${job.jobId}/row:1`);
    await until('the task', () => job.task('a').catch(() => undefined));
    const plain = defaultPayloadConverter.toPayload({ result: 1 });
    const [good] = await new EncryptionCodec(parseKeys(KEYS)).encode([plain]);
    const tampered = { ...good!, data: Buffer.from(good!.data!).fill(0, 30, 31) };
    const [foreign] = await new EncryptionCodec(OTHER).encode([plain]);
    await signal(item.workflowId, tampered);
    await signal(item.workflowId, foreign!);
    await signal(item.workflowId, { metadata: good!.metadata!, data: new Uint8Array() });
    const { refused_reports } = await item.query(itemQuery);
    assert.deepEqual(
      refused_reports.map(({ errors }) => errors.slice(0, 80)),
      [
        'the report could not be decoded: it was changed after it was encrypted, or key "',
        'the report could not be decoded: it is encrypted with key "k9", which this proce',
        'the report could not be decoded: it was changed after it was encrypted, or key "',
      ],
    );
    await signal(item.workflowId, good!);
    assert.equal((await job.result()).verdict, 'succeeded');
  });
});

describe('a worker without the keys', () => {
  const taskQueue = `no-keys-${process.pid}`;
  const startOn = async (queue: string, rows: Record<string, Step[]>): Promise<JobHandle> => {
    const own = { client: site.client, store: site.storeFolder, keysFile: site.keysFile! };
    const jobs = new AgentJobs({ ...own, taskQueue: queue });
    return jobs.start(await site.spec(rows, { max_concurrency: 2 }));
  };

  it('leaves a job alone and says why; one with the keys then does it', async () => {
    const keyless = await site.worker({ keys: undefined, taskQueue });
    const job = await startOn(taskQueue, { a: [['report', 1]] });
    const status = await until('it is told', async () => {
      const now = await job.status();
      return now.error !== null && now;
    });
    assert.equal(status.state, 'unreachable');
    assert.match(
      status.error!,
      /this worker cannot work on this: it is encrypted with key "k1", which this process does not have: give it the key file/,
    );
    const told = await cli(['status', job.jobId], { env: site.processEnv });
    assert.match(
      told.stdout,
      /reason +this worker cannot work on this: it is encrypted with key "k1"/,
    );
    keyless.shutdown();
    await keyless.done;
    await site.worker({ taskQueue });
    assert.equal((await job.result()).verdict, 'succeeded');
  });

  it('does no harm to a job that runs, of which it gets work', async () => {
    const queue = `${taskQueue}-mixed`;
    const withKeys = await site.worker({ taskQueue: queue });
    const steps = (n: number): Step[] => [
      ['sleep', 1500],
      ['report', n],
    ];
    const rows = Object.fromEntries([0, 1, 2, 3].map((n) => [`r${n}`, steps(n)]));
    const job = await startOn(queue, rows);
    await until('rows run', async () => (await job.status()).running === 2);
    const keyless = await site.worker({ keys: undefined, taskQueue: queue });
    await until('some are done', async () => (await job.status()).completed >= 2);
    const summary = await job.result();
    assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 4]);
    for (const worker of [withKeys, keyless]) worker.shutdown();
  });
});

describe('a client without the keys', () => {
  it('is told what it lacks', async () => {
    const spec = await site.spec({ a: [['report', 1]] });
    const job = await site.jobs.start(spec);
    await job.result();
    const env = { ...site.processEnv, AGENT_JOBS_KEYS_FILE: '' };
    for (const command of ['status', 'results', 'items']) {
      const { code, stderr } = await cli([command, job.jobId], { env });
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        /cannot be read: it is encrypted with key "k1", which this process does not have: give it the key file that has it, with --keys-file or AGENT_JOBS_KEYS_FILE\n$/,
      );
      const given = await cli([command, job.jobId, '--keys-file', site.keysFile!], { env });
      assert.equal(given.code, 0, given.stderr);
    }
    const client = new Client({
      connection: site.env.connection,
      dataConverter: dataConverterFor(undefined),
    });
    const jobs = new AgentJobs({ client, store: site.storeFolder });
    await assert.rejects(jobs.job(job.jobId).result(), Undecodable);
  });

  it('is shown that there are jobs, and what it lacks to read them', async () => {
    const job = await site.jobs.start(await site.spec({ a: [['report', 1]] }));
    await job.result();
    const env = { ...site.processEnv, AGENT_JOBS_KEYS_FILE: '' };
    const { code, stdout, stderr } = await cli(['list'], { env });
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${job.jobId} +unreadable *$`, 'm'));
    assert.match(
      stderr,
      /^\d+ unreadable: .* is encrypted with key "k1", which this process does/m,
    );
    const json = await cli(['list', '--json'], { env });
    const found = JSON.parse(json.stdout) as { job_id: string; state: string }[];
    assert.equal(found.find(({ job_id }) => job_id === job.jobId)?.state, 'unreadable');
    const given = await cli(['list', '--keys-file', site.keysFile!], { env });
    assert.match(given.stdout, new RegExp(`^${job.jobId} +succeeded `, 'm'));
  });

  it('is refused with a key file that cannot be used', async () => {
    const env = { ...site.processEnv, AGENT_JOBS_KEYS_FILE: '/none/keys' };
    for (const command of [['worker'], ['status', 'any'], ['codec-server']]) {
      const { code, stderr } = await cli(command, { env });
      assert.equal(code, 2);
      assert.match(stderr, /^agent-jobs: the key file \/none\/keys is not there\. To make one: /);
    }
  });
});
