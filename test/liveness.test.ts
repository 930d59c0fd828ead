/** Agents that live and agents that do not, apart from their deadline: silence of processes, heartbeats of others. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { heartbeat as beat } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { AgentJobs, JobHandle, JobSpec } from '../src/client.js';
import { heartbeatSignal, itemQuery, itemWorkflowId, reportSignal } from '../src/messages.js';
import { cli } from './support/cli.js';
import { runJob } from './support/ended-job.js';
import { isGone } from './support/processes.js';
import { Site, type Step, readOutput, temporalCli, until } from './support/site.js';

let site: Site;
let jobs: AgentJobs;
before(async () => {
  site = await Site.open();
  jobs = site.jobs;
  await site.worker();
});
after(() => site.close());

const EXTERNAL = { agent: { external: true } as const, instruction: 'Classify {id}' };

async function external(ids: string[], spec: Partial<JobSpec>): Promise<JobHandle> {
  const rows = Object.fromEntries(ids.map((id) => [id, []]));
  const job = await jobs.start(await site.spec(rows, { ...EXTERNAL, ...spec }));
  for (const id of ids) {
    await until(`item ${id} waits`, () => job.task(id).catch(() => undefined));
  }
  return job;
}

const item = ({ jobId }: JobHandle, id: string) =>
  site.client.workflow.getHandle(itemWorkflowId(jobId, id));

async function rowsOf(job: JobHandle): Promise<Record<string, { status: string; error: string }>> {
  const { output_csv_path } = await job.result();
  return Object.fromEntries(
    (await readOutput(output_csv_path)).map((row) => [
      row['item_id']!,
      { status: row['status']!, error: row['last_error']! },
    ]),
  );
}

test('an agent that prints and calls nothing is ended; one that gives signs goes on', async () => {
  const every = (step: Step): Step[] =>
    Array.from({ length: 8 }, () => [step, ['sleep', 1000]] as Step[]).flat();
  const pidFile = `${site.folder}/silent`;
  const steps = {
    silent: [['touch', pidFile], ['out', 'thinking'], ['hang']],
    prints: [...every(['out', 'working']), ['report', 1]],
    complains: [...every(['err', 'working']), ['report', 1]],
    // What is left of its time after the report is another matter.
    stays: [['report', 1], ['hang']],
  } satisfies Record<string, Step[]>;
  const { rows } = await runJob(
    site,
    await site.spec(steps, { idle_seconds: 6, exit_grace_seconds: 4, max_runtime_seconds: 60 }),
  );
  assert.deepEqual(
    Object.fromEntries(Object.entries(rows).map(([id, row]) => [id, [row.status, row.error]])),
    {
      silent: ['failed', 'timed_out: printed and called nothing for 6 s, ended: thinking'],
      prints: ['completed', ''],
      complains: ['completed', ''],
      stays: ['completed', ''],
    },
  );
  assert.ok(await isGone(Number(await readFile(pidFile, 'utf8'))));
});

test('an agent that only calls gives signs, too', async () => {
  const script = `
    const { AGENT_JOBS_REPORT_URL: url, AGENT_JOBS_REPORT_TOKEN: token } = process.env;
    const post = (body) => fetch(url, { method: 'POST', headers: { authorization: 'Bearer ' + token }, body });
    for (let n = 0; n < 8; n += 1) {
      await post('not JSON');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    await post('{"result":1}');`;
  const command = [process.execPath, '--input-type=module', '-e', script];
  const { rows } = await runJob(
    site,
    await site.spec({ a: [] }, { agent: { command }, idle_seconds: 6, instruction: 'x' }),
  );
  assert.deepEqual([rows['a']!.status, rows['a']!.log, rows['a']!.error], ['completed', '', '']);
});

test('an external agent that sends no heartbeat is given up before its deadline, by one timer at a time', async () => {
  const job = await external(['silent', 'beats', 'mends', 'reports'], {
    heartbeat_seconds: 8,
    max_runtime_seconds: 600,
    output_schema: { type: 'number' },
  });
  assert.equal((await job.task('beats'))!.heartbeat_seconds, 8);
  const started = Date.now();
  await jobs.report({ job_id: job.jobId, item_id: 'reports', result: 1 });
  // Often enough, and over a time in which a silent one is given up twice.
  for (let sent = 0; sent < 12 || Date.now() - started < 17_000; sent += 1) {
    await delay(400);
    assert.equal(await jobs.heartbeat({ job_id: job.jobId, item_id: 'beats', run: 1 }), true);
    await jobs.report({ job_id: job.jobId, item_id: 'mends', result: 'not a number' });
  }
  const { last_heartbeat, heartbeat_seconds } = await item(job, 'beats').query(itemQuery);
  assert.equal(heartbeat_seconds, 8);
  assert.ok(Date.parse(last_heartbeat!) > started + 10_000, last_heartbeat);
  const { events } = await item(job, 'beats').fetchHistory();
  const count = (
    kind: 'timerStartedEventAttributes' | 'workflowExecutionSignaledEventAttributes',
  ) => events!.filter((event) => event[kind]).length;
  const [beats, timers] = [
    count('workflowExecutionSignaledEventAttributes'),
    count('timerStartedEventAttributes'),
  ];
  assert.ok(beats >= 12 && timers <= beats / 2, `${timers} timers for ${beats} heartbeats`);
  for (const id of ['beats', 'mends'])
    await jobs.report({ job_id: job.jobId, item_id: id, result: 2 });
  assert.deepEqual(await rowsOf(job), {
    silent: { status: 'failed', error: 'timed_out: no heartbeat for 8 s' },
    beats: { status: 'completed', error: '' },
    mends: { status: 'completed', error: '' },
    reports: { status: 'completed', error: '' },
  });
  assert.equal(await jobs.heartbeat({ job_id: job.jobId, item_id: 'silent' }), false);
});

test('what is no heartbeat of the item puts nothing off, and hurts nothing', async () => {
  const job = await external(['junk', 'others', 'plain'], { heartbeat_seconds: 4 });
  const { jobId } = job;
  const send = (id: string, ...args: unknown[]) =>
    item(job, id).signal<unknown[]>(heartbeatSignal.name, ...args);
  const started = Date.now();
  let beating = true;
  const plain = (async () => {
    while (beating) {
      await send('plain');
      await send('plain', { job_id: jobId, item_id: 'plain', run: 1, note: 'at page 3' });
      await delay(500);
    }
  })();
  const others = [[{ job_id: 'another' }], [{ item_id: 'plain' }], [{ run: 2 }]];
  const junk = [['x'], [7], [[]], [new Uint8Array([1, 2])], ['x'.repeat(100_000)], [{}, {}]];
  // As often as good ones: had any of them counted, the item would not end.
  const untilEnded = async (id: string, messages: unknown[][]) => {
    try {
      while (Date.now() - started < 60_000) {
        for (const message of messages) await send(id, ...message);
        await delay(500);
      }
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return;
      throw error;
    }
    assert.fail(`${id} is kept alive`);
  };
  await Promise.all([untilEnded('others', others), untilEnded('junk', junk)]);
  beating = false;
  await plain;
  await item(job, 'plain').signal(reportSignal, { result: 1 });
  const silent = { status: 'failed', error: 'timed_out: no heartbeat for 4 s' };
  assert.deepEqual(await rowsOf(job), {
    junk: silent,
    others: silent,
    plain: { status: 'completed', error: '' },
  });
});

test('a heartbeat without a limit is ignored, also one that cannot be decoded', async () => {
  const job = await external(['a'], {});
  await site.client.workflowService.signalWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: itemWorkflowId(job.jobId, 'a') },
    signalName: heartbeatSignal.name,
    input: { payloads: [{ metadata: { encoding: Buffer.from('binary/unknown') } }] },
  });
  assert.equal(await jobs.heartbeat({ job_id: job.jobId, item_id: 'a' }), true);
  await jobs.report({ job_id: job.jobId, item_id: 'a', result: 1 });
  assert.deepEqual(await rowsOf(job), { a: { status: 'completed', error: '' } });
  assert.equal((await item(job, 'a').query(itemQuery)).last_heartbeat, undefined);
});

test('each attempt of an external agent has its own time to be silent', async () => {
  const job = await external(['a'], { heartbeat_seconds: 8, max_attempts: 2 });
  await until('the second run', async () => (await job.task('a'))?.run === 2);
  await jobs.report({ job_id: job.jobId, item_id: 'a', result: 1, run: 2 });
  assert.deepEqual(await rowsOf(job), { a: { status: 'completed', error: '' } });
});

test('the heartbeat timeout of an activity is its heartbeat_seconds', async () => {
  const end = new AbortController();
  const work = async ({ item_id }: { item_id: string }) => {
    for (let n = 0; n < (item_id === 'beats' ? 40 : 600) && !end.signal.aborted; n += 1) {
      if (item_id === 'beats') beat(n);
      await delay(200, undefined, { signal: end.signal }).catch(() => {});
    }
    return item_id;
  };
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: site.env.address }),
    namespace: 'default',
    taskQueue: 'liveness',
    activities: { work },
    shutdownGraceTime: 0,
  });
  const running = worker.run();
  try {
    const { rows } = await runJob(
      site,
      await site.spec(
        { beats: [], silent: [] },
        {
          agent: { activity: 'work', task_queue: 'liveness' },
          instruction: 'x',
          heartbeat_seconds: 5,
          report_grace_seconds: 0,
        },
      ),
    );
    assert.deepEqual([rows['beats']!.status, rows['beats']!.result], ['completed', 'beats']);
    assert.deepEqual(
      [rows['silent']!.status, rows['silent']!.error],
      ['failed', 'timed_out: no heartbeat for 5 s'],
    );
  } finally {
    end.abort();
    worker.shutdown();
    await running;
  }
});

test('the command line sets both and sends heartbeats', async () => {
  const env = site.processEnv;
  const input = await site.file('cli.csv', 'id\nrow A\n');
  const run = (...args: string[]) =>
    cli(['run', input, '--instruction', 'x', '--id-column', 'id', ...args], { env });
  const beats = (...args: string[]) => cli(['heartbeat', ...args], { env });

  const wrong = await run('--external', '--idle-seconds', '5');
  assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /--idle-seconds: is for agents that a worker starts as processes/);
  const often = [
    '--heartbeat-seconds',
    '1',
    '--max-runtime-seconds',
    '86400',
    '--max-attempts',
    '2',
  ];
  const refused = await run('--external', ...often);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--heartbeat-seconds: 1 s is too little .* At least 70 s/);

  const options = ['--external', '--heartbeat-seconds', '25', '--detach', '--job-id', 'beaten'];
  const started = await run(...options);
  assert.equal(started.code, 0, started.stderr);
  const job = jobs.job('beaten');
  await until('it waits', () => job.task('row A').catch(() => undefined));
  const sent = await beats('beaten', 'row A');
  assert.deepEqual([sent.code, sent.stdout, sent.stderr], [0, '', '']);
  // So does the Temporal CLI, with nothing but the names.
  const before = await item(job, 'row A').query(itemQuery);
  const workflow = ['--workflow-id', itemWorkflowId('beaten', 'row A')];
  const signal = ['workflow', 'signal', ...workflow, '--name', heartbeatSignal.name];
  execFileSync(temporalCli(), signal, { env, stdio: 'ignore' });
  const after = await item(job, 'row A').query(itemQuery);
  assert.ok(after.last_heartbeat! > before.last_heartbeat!);
  // A job whose rows may take longer would get more heartbeats than the server takes.
  const set = await cli(['set', 'beaten', '--max-runtime-seconds', '86400'], { env });
  assert.equal(set.code, 2);
  assert.match(set.stderr, /heartbeat_seconds: 25 s is too little .* At least 35 s/);
  assert.deepEqual(await rowsOf(job), {
    'row A': { status: 'failed', error: 'timed_out: no heartbeat for 25 s' },
  });
  const late = await beats('beaten', 'row A');
  assert.equal(late.code, 3);
  assert.match(late.stderr, /No item row A of job beaten runs: it has ended/);
});
