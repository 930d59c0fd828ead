/** What has to hold after each fault, and at the end. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../../src/client.js';
import { ITEM_WORKFLOW } from '../../src/messages.js';
import { failedTask } from '../support/replays.js';
import { readOutput, until } from '../support/site.js';
import { wrongResult } from './rows.js';
import type { Storm } from './storm.js';

/** A lost worker is noticed after 20 s, what it had begun starts again after 5 more; the machine may be busy. */
const RECOVERY_MS = 120_000;
/** Agents whose run is over are ended: politely first, and after the next heartbeat of a worker that was away. */
const LEFT_MS = 40_000;
/** The job goes on, nothing has failed, each row is in the output once, and no agent is left of a lost run. */
export async function checkBetween(storm: Storm): Promise<string> {
  const before = (await storm.job.status()).completed;
  const after = await until(
    'the job goes on',
    async () => {
      const { completed } = await storm.job.status();
      return (completed > before || completed >= storm.free) && completed;
    },
    RECOVERY_MS,
  );
  const status = await storm.job.status();
  const { total, completed, failed, cancelled, pending, running } = status;
  assert.deepEqual(
    { total, failed, cancelled },
    { total: storm.rows.length, failed: 0, cancelled: 0 },
    JSON.stringify(status),
  );
  assert.equal(completed + pending + (running ?? 0), total, JSON.stringify(status));
  const partial = join(storm.folder, 'partial.csv');
  await storm.job.results(partial, { overwrite: true });
  await checkRows(storm, partial, new Set(['completed', 'pending']));
  await noneLeft(storm);
  return `${after} of ${total} completed`;
}

/** All is done, by the output, the server, the client and the processes that are there. */
export async function checkEnd(storm: Storm): Promise<string[]> {
  const { code, stdout, stderr } = await storm.end();
  assert.equal(code, 0, `the client ended with ${code}: ${stdout}\n${stderr}`);
  const summary = await storm.job.result();
  const { verdict, total, completed, failed, cancelled, pending, output_error } = summary;
  const count = storm.rows.length;
  assert.deepEqual(
    { verdict, total, completed, failed, cancelled, pending, output_error },
    {
      verdict: 'succeeded',
      ...{ total: count, completed: count, failed: 0, cancelled: 0, pending: 0 },
      output_error: null,
    },
  );
  const attempts = await checkRows(storm, storm.output, new Set(['completed']));
  const answers = await storm.agents.answers();
  assert.ok(storm.cutter.cut > 0, 'no answer was cut off');
  assert.ok(
    answers.includes('answer none, answer 200'),
    `no report was repeated: ${answers.join('; ')}`,
  );
  await checkServer(storm);
  await noneLeft(storm);
  assert.deepEqual(storm.agents.live(), []);
  for (const [name, exitCode] of await storm.fleet.end()) {
    assert.equal(exitCode, 0, `worker ${name} ended with ${exitCode}`);
  }
  await until('no process of a worker is left', () => storm.workers().length === 0);
  assert.deepEqual(await readdir(storm.notes), []);
  const folders = await readdir(storm.temporary);
  assert.deepEqual(
    folders.filter((name) => name.startsWith('agent-jobs-')),
    [],
  );
  const starts = storm.agents.starts.length;
  return [
    `${count} rows completed, each in the output once; ${starts} agents were started for them`,
    `${attempts} attempts were lost to agents that were killed`,
    `${answers.length} agents got no answer and reported again: ${tally(answers)}`,
  ];
}

/** Each row once, in input order, with its own result. @returns attempts beyond the first. */
async function checkRows(storm: Storm, path: string, statuses: Set<string>): Promise<number> {
  const output = await readOutput(path);
  assert.deepEqual(
    output.map(({ item_id }) => item_id),
    storm.rows.map(({ id }) => id),
  );
  let more = 0;
  for (const [
    n,
    { status, attempt_count, last_error, result_json, ...columns },
  ] of output.entries()) {
    const row = storm.rows[n]!;
    const of = `${row.id} (${row.way}): ${status} after ${attempt_count}: ${last_error}`;
    assert.ok(statuses.has(status!), of);
    if (status !== 'completed') continue;
    assert.equal(columns['row_index'], String(n), of);
    assert.equal(wrongResult(row, JSON.parse(result_json!) as Json), undefined, of);
    // Only what kills an agent itself costs an attempt.
    const lost = Number(attempt_count) - 1;
    assert.ok(
      lost <= storm.agents.killsOf(row.id),
      `${of}; killed ${storm.agents.killsOf(row.id)} times`,
    );
    more += lost;
  }
  return more;
}

/** One execution for each row, all of them closed, and none of the job's own tasks failed. */
async function checkServer({ temporal, jobId, rows }: Storm): Promise<void> {
  const items = `WorkflowType = '${ITEM_WORKFLOW}' AND WorkflowId STARTS_WITH '${jobId}/'`;
  const count = async (status: string) =>
    (await temporal.workflow.count(`${items} AND ExecutionStatus = '${status}'`)).count;
  await until(
    'the server lists all items as completed',
    async () => (await count('Completed')) === rows.length,
  );
  assert.equal((await temporal.workflow.count(items)).count, rows.length);
  assert.equal((await temporal.workflow.count(`ExecutionStatus = 'Running'`)).count, 0);
  assert.equal(await failedTask(temporal, jobId), undefined);
}

/** No agent is there but the last one of a row that runs, with the worker that started it. */
async function noneLeft(storm: Storm): Promise<void> {
  let left: string[] = [];
  await until(
    'no agent is left of a run that is over',
    async () => {
      await storm.agents.readStarts();
      const last = new Map(storm.agents.starts.map(({ item, token }) => [item, token]));
      const workers = new Set(storm.fleet.slots.map(({ worker }) => worker.pid));
      left = storm.agents
        .live()
        .filter(
          ({ item, token, worker }) =>
            worker !== undefined && (last.get(item) !== token || !workers.has(worker)),
        )
        .map(({ item, group }) => `${item} (${group})`);
      return left.length === 0;
    },
    LEFT_MS,
  ).catch((error: unknown) => {
    throw new Error(`left: ${left.join(', ')}`, { cause: error });
  });
}

function tally(list: string[]): string {
  const times = new Map<string, number>();
  for (const each of list) times.set(each, (times.get(each) ?? 0) + 1);
  return [...times].map(([each, n]) => `${n} × "${each}"`).join(', ');
}
