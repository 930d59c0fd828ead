/**
 * A server that is killed, or away: rows wait for it, and none is lost or taken for failed. One that is
 * asked for much at once stays there.
 * AGENT_JOBS_LONG=1 has it away for 60 s instead of 20.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs, type JobHandle, type JobSpec } from '../src/client.js';
import { DevServer } from './support/dev-server.js';
import { LIGHT_AGENT, rowsOf } from './support/light-agent.js';
import { isGroupGone } from './support/processes.js';
import { readOutput, until } from './support/site.js';
import { Starts } from './support/starts.js';
import { WorkerProcess } from './support/worker-process.js';

const AWAY_SECONDS = process.env['AGENT_JOBS_LONG'] === '1' ? 60 : 20;

const cleanups: (() => unknown)[] = [];
after(async () => {
  WorkerProcess.killAll();
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** A server, a worker and a folder of a test's own. */
async function place() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-test-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const server = await DevServer.start(folder);
  cleanups.push(() => server.kill());
  const storeFolder = join(folder, 'store');
  const env = { ...process.env, TEMPORAL_ADDRESS: server.address, AGENT_JOBS_STORE: storeFolder };
  await WorkerProcess.start(env, { cwd: folder });

  /** The job, seen through a connection of its own: that of a server which is gone waits for long. */
  const jobs = async () => {
    const client = await server.client();
    cleanups.push(() => client.connection.close());
    return new AgentJobs({ client, store: storeFolder });
  };
  const start = async (shells: Record<string, string>, spec: Partial<JobSpec>) => {
    const csv_path = join(folder, 'in.csv');
    await writeFile(csv_path, stringify([['id', 'shell'], ...Object.entries(shells)]));
    const agent = { command: LIGHT_AGENT };
    const given = { csv_path, instruction: '{shell}', id_column: 'id', agent };
    return (await jobs()).start({ ...given, ...spec }, { jobId: 'job' });
  };
  return { folder, server, jobs, start, starts: new Starts(join(folder, 'starts')) };
}

/** Each row once, in input order, completed with its own result, at its first attempt. */
async function assertAllCompleted(job: JobHandle, count: number): Promise<void> {
  const { verdict, completed, output_csv_path } = await job.result();
  assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: count });
  assert.deepEqual(
    (await readOutput(output_csv_path)).map((row) => [
      row['status'],
      row['attempt_count'],
      row['row_index'],
      row['result_json'],
    ]),
    Array.from({ length: count }, (_, n) => ['completed', '1', String(n), String(n)]),
  );
}

describe('a server', { concurrency: true }, () => {
  it('that is killed twice and started again on its file loses no row', async () => {
    const { server, jobs, start, starts } = await place();
    const shell = (n: number) => `${starts.shell}; sleep ${0.5 + (n % 3) / 2}; report ${n}`;
    const job = await start(rowsOf(60, shell), { max_concurrency: 8 });
    for (const ended of [6, 30]) {
      const handle = ended === 6 ? job : (await jobs()).job('job');
      await until(`${ended} have ended`, async () => (await handle.status()).completed >= ended);
      await server.kill();
      await server.start();
    }
    await assertAllCompleted((await jobs()).job('job'), 60);
    assert.equal((await starts.perItem()).size, 60);
  });

  it(`that is away for ${AWAY_SECONDS} s gets the reports of agents that did not wait for it`, async (t) => {
    const { folder, server, jobs, start, starts } = await place();
    // Once the server is gone, they report, wait 5 s for an answer, and exit.
    const shell = (n: number) =>
      `${starts.shell}; until [ -e ${folder}/gone ]; do sleep 0.1; done; report ${n} 5`;
    await start(rowsOf(8, shell), { max_concurrency: 8 });
    await until('all run', async () => (await starts.read()).length === 8);
    await server.kill();
    const back = delay(AWAY_SECONDS * 1000);
    await writeFile(join(folder, 'gone'), '');
    for (const { pid } of await starts.read()) {
      await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
    }
    await back;
    await server.start();
    await assertAllCompleted((await jobs()).job('job'), 8);
    t.diagnostic(`${(await starts.read()).length} agents were started for 8 rows`);
    assert.equal((await starts.read()).length, 8);
  });

  // It starts them one after the other, and gives up a task after 3 s. A write that is cut off by that
  // has it read its shard again; all calls are refused meanwhile.
  it('that is asked for 1,000 children at once answers throughout', async () => {
    const { server, start } = await place();
    const spec = { agent: { external: true }, max_concurrency: 1000 } as const;
    const job = await start(rowsOf(1000, String), spec);
    const allRun = async () => (await job.status()).running === 1000;
    await until('all items are in flight', allRun, 240_000);
    await job.cancel();
    await job.result();
    assert.doesNotMatch(server.log, /Persistent store operation Failure/);
  });
});
