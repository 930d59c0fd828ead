/** The README's commands for the Temporal CLI alone. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { AGENT, Site, type Step, readOutput, temporalCli, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

const execute = promisify(execFile);

async function temporal(...args: string[]): Promise<string> {
  const { stdout } = await execute(temporalCli(), args, { env: site.processEnv });
  return stdout;
}

function startJob(jobId: string, spec: object): Promise<string> {
  return temporal(
    ...['workflow', 'start', '--type', 'agentJob', '--task-queue', site.taskQueue],
    ...['--workflow-id', jobId, '--input', JSON.stringify(spec)],
  );
}

/** The result of the workflow, once it has closed. */
async function resultOf(jobId: string): Promise<Record<string, unknown>> {
  const stdout = await temporal('workflow', 'result', '--workflow-id', jobId, '-o', 'json');
  return (JSON.parse(stdout) as { result: Record<string, unknown> }).result;
}

async function progressOf(jobId: string): Promise<Record<string, unknown>> {
  const stdout = await temporal(
    ...['workflow', 'query', '--type', 'progress', '--workflow-id', jobId, '-o', 'json'],
  );
  return (JSON.parse(stdout) as { queryResult: Record<string, unknown>[] }).queryResult[0]!;
}

test('a job is started, asked for its progress and stopped', async () => {
  const gate = join(site.folder, 'stopped');
  const b: Step[] = [
    ['wait-for', gate],
    ['exit', 1],
  ];
  const spec = await site.spec(
    { a: [['report', 'one']], b, c: [['report', 'three']] },
    { max_concurrency: 2 },
  );
  await startJob('cli-job', spec);
  const progress = await until('a row is done and one runs', async () => {
    const now = await progressOf('cli-job');
    return now['completed'] === 2 && now;
  });
  assert.equal(progress['total'], 3);
  assert.equal(progress['running'], 1);
  await temporal('workflow', 'signal', '--workflow-id', 'cli-job', '--name', 'stop');
  await writeFile(gate, '');
  const result = await resultOf('cli-job');
  assert.deepEqual(
    [result['verdict'], result['completed'], result['failed'], result['stop_reason']],
    ['partial', 2, 1, 'stop requested'],
  );
});

test('an external item is asked for its task, and reported by signal and by update', async () => {
  const csv = await site.file('external.csv', 'id,text\nA-1,hello\nA 2,world\n');
  await startJob('cli-external', {
    csv_path: csv,
    instruction: 'Classify {text}',
    id_column: 'id',
    output_schema: { type: 'object', required: ['label'] },
    agent: { external: true },
  });
  // One that is asked for counts as running before it has started.
  for (const id of ['A-1', 'A 2']) {
    await until(`item ${id} waits`, () =>
      site.jobs
        .job('cli-external')
        .task(id)
        .catch(() => undefined),
    );
  }
  assert.equal((await progressOf('cli-external'))['running'], 2);
  const stdout = await temporal(
    ...['workflow', 'query', '--type', 'item', '--workflow-id', 'cli-external/A-1', '-o', 'json'],
  );
  const item = (JSON.parse(stdout) as { queryResult: Record<string, unknown>[] }).queryResult[0]!;
  assert.equal(item['prompt'], 'Classify hello');
  assert.deepEqual(item['row'], { id: 'A-1', text: 'hello' });

  const name = ['--name', 'report_agent_job_result'];
  await temporal(
    ...['workflow', 'signal', '--workflow-id', 'cli-external/A-1', ...name],
    ...['--input', '{"result":{"label":"greeting"}}'],
  );
  const report = async (input: string) => {
    const answer = await temporal(
      ...['workflow', 'update', 'execute', '--workflow-id', 'cli-external/A%202', ...name],
      ...['--input', input, '-o', 'json'],
    );
    return (JSON.parse(answer) as { result: { accepted: boolean; errors?: unknown } }).result;
  };
  const refused = await report('{"result":{"lable":"noun"}}');
  assert.equal(refused.accepted, false);
  assert.match(JSON.stringify(refused.errors), /label/);
  assert.deepEqual(await report('{"result":{"label":"noun"}}'), { accepted: true });

  const result = await resultOf('cli-external');
  assert.equal(result['verdict'], 'succeeded');
  const rows = await readOutput(String(result['output_csv_path']));
  assert.deepEqual(
    rows.map((row) => row['result_json']),
    ['{"label":"greeting"}', '{"label":"noun"}'],
  );
});

test('a spec that is not usable fails the job with what is wrong', async () => {
  await startJob('cli-bad', {
    csv_path: 'tickets.csv',
    instruction: 'x',
    agent: { command: AGENT },
    max: 3,
  });
  const failure = await site.jobs
    .job('cli-bad')
    .result()
    .catch((error: Error) => error);
  assert.ok(failure instanceof Error);
  assert.match(failure.message, /csv_path: must be an absolute path/);
  assert.match(failure.message, /Unrecognized key: "max"/);
  const status = await site.jobs.job('cli-bad').status();
  assert.equal(status.state, 'refused');
  assert.match(status.error!, /absolute path/);
});

test('a workflow ID that is used again is no other name of the job that had it', async () => {
  const job = site.jobs.job('cli-again');
  await startJob(job.jobId, await site.spec({ a: [['report', 'one']] }));
  const { output_csv_path } = await job.result();
  await startJob(job.jobId, await site.spec({ b: [['report', 'two']] }));
  await assert.rejects(job.result(), /has an earlier job cli-again: start this one with another/);
  const rows = await readOutput(output_csv_path!);
  assert.deepEqual(
    rows.map(({ item_id, status }) => [item_id, status]),
    [['a', 'completed']],
  );
});
