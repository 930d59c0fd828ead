/**
 * Jobs that the previous commit's code has begun go on with this one's: replayed by workers without a
 * version, and with versions either on the old workers or moved to the new ones.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AgentJobs, type JobHandle } from '../src/client.js';
import { itemWorkflowId, reportSignal } from '../src/messages.js';
import { itemsOf, runsOf } from './support/chain.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { buildOf, previousCommit } from './support/previous-build.js';
import { replayed } from './support/replays.js';
import { Site, readOutput, temporalCli, until } from './support/site.js';
import { makeCurrent, version } from './support/versions.js';
import { WorkerProcess } from './support/worker-process.js';

const ROWS = 24;
/** Rows that the old code ends. */
const FREE = 8;
const IN_FLIGHT = 4;

const previous = previousCommit();
const skip = 'unavailable' in previous && previous.unavailable;

describe('jobs of the previous commit', { skip }, () => {
  let site: Site;
  let old: ReturnType<typeof buildOf>;
  before(async () => {
    // So that a job of some rows continues as new a few times, before and after.
    site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
    old = buildOf((previous as { commit: string }).commit, join(site.folder, 'previous'));
  });
  after(async () => {
    WorkerProcess.killAll();
    await site.close();
  });

  /** A task queue of a test's own, and its workers: of the build before, and of this one. */
  function place(name: string) {
    const taskQueue = `${site.taskQueue}-${name}`;
    const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue };
    const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
    const args = (versioned: string[]) => ['--drain-seconds', '0', ...versioned];
    const before = (main: string, ...versioned: string[]) =>
      WorkerProcess.restart(env, { cwd: site.folder, args: args(versioned), main });
    const now = (...versioned: string[]) =>
      WorkerProcess.restart(env, { cwd: site.folder, args: args(versioned) });
    return { queues: [taskQueue, `${taskQueue}-agents`], jobs, before, now };
  }

  /** One job of processes and one of external items, in the middle of their rows. */
  async function begin(jobs: AgentJobs, name: string) {
    const go = join(site.folder, `go-${name}`);
    const shell = (n: number) =>
      n < FREE ? `report ${n}` : `until [ -e ${go} ]; do sleep 0.1; done; report ${n}`;
    const limits = { max_concurrency: 3, max_attempts: 2, tolerated_failures: 5 };
    const agents = await jobs.start(await lightSpec(site, rowsOf(ROWS, shell), limits));
    const external = await jobs.start(
      await lightSpec(
        site,
        rowsOf(ROWS, () => ''),
        { agent: { external: true }, max_concurrency: IN_FLIGHT },
      ),
    );
    // What operators ask is part of the histories, too.
    await agents.set({ max_concurrency: IN_FLIGHT });
    await agents.pause('to be looked at');
    await agents.resume();
    await report(external.jobId, 0, FREE);
    for (const job of [agents, external]) {
      await until(
        `${job.jobId} is in the middle`,
        async () => (await job.status()).completed === FREE,
      );
      await until(
        `${job.jobId} has continued as new`,
        async () => (await runsOf(site.client, job.jobId)).length > 1,
      );
    }
    const running = await until('its agents run', async () => {
      const status = await agents.status();
      return status.running === IN_FLIGHT && status;
    });
    assert.equal(running.pending, ROWS - FREE - IN_FLIGHT);
    const finish = async () => {
      await writeFile(go, '');
      await report(external.jobId, FREE, ROWS);
      await assertAllCompleted(agents);
      await assertAllCompleted(external);
    };
    return { agents, external, finish };
  }

  async function report(jobId: string, from: number, to: number): Promise<void> {
    for (let n = from; n < to; n += 1) {
      const id = `r${String(n).padStart(3, '0')}`;
      const item = site.client.workflow.getHandle(itemWorkflowId(jobId, id));
      await until(`${id} of ${jobId} runs`, () =>
        item.signal(reportSignal, { result: n }).then(
          () => true,
          () => false,
        ),
      );
    }
  }

  /** Each row once, in input order, at its first attempt, by one item of its own. */
  async function assertAllCompleted(job: JobHandle): Promise<void> {
    const { verdict, output_csv_path } = await job.result();
    assert.equal(verdict, 'succeeded');
    assert.deepEqual(
      (await readOutput(output_csv_path)).map(
        ({ row_index, status, attempt_count, result_json }) => [
          ...[row_index, status, attempt_count, result_json],
        ],
      ),
      Array.from({ length: ROWS }, (_, n) => [String(n), 'completed', '1', String(n)]),
    );
    assert.equal((await itemsOf(site.client, job.jobId)).length, ROWS);
  }

  /** What runs of a job, which is to go on with other code. */
  async function running(jobId: string): Promise<string[]> {
    const items = await itemsOf(site.client, jobId);
    const open = items.filter(({ status }) => status.name === 'RUNNING');
    return [jobId, ...open.map(({ workflowId }) => workflowId)];
  }

  it('are replayed and ended by workers of this one', async (t) => {
    if ('unavailable' in old) return t.skip(old.unavailable);
    const { jobs, before, now } = place('plain');
    const worker = await before(old.main);
    const { agents, external, finish } = await begin(jobs, 'plain');
    const open = [...(await running(agents.jobId)), ...(await running(external.jobId))];
    worker.signal('SIGTERM');
    assert.equal(await worker.ended, 0, worker.said);
    await now();
    await replayed(site.client, open, finish());
  });

  it('end on workers of their version, or on those of this one once they are moved there', async (t) => {
    if ('unavailable' in old) return t.skip(old.unavailable);
    const { jobs, before, now, queues } = place('versions');
    const workerA = await before(old.main, ...version('A', 'upgrade'));
    await makeCurrent(site.client, 'A', queues, 'upgrade');
    const pinned = await begin(jobs, 'pinned');
    const moved = await begin(jobs, 'moved');
    const workerB = await now(...version('B', 'upgrade'));
    await makeCurrent(site.client, 'B', queues, 'upgrade');
    await pinned.finish();

    // As docs/production.md has it.
    const ids = [moved.agents.jobId, moved.external.jobId];
    const open = (await Promise.all(ids.map(running))).flat();
    const ofJobs = ids.map((id) => `WorkflowId = '${id}' OR WorkflowId STARTS_WITH '${id}/'`);
    execFileSync(
      temporalCli(),
      [
        ...['workflow', 'update-options', '--yes', '--reason', 'upgrade'],
        ...['--query', `ExecutionStatus = 'Running' AND (${ofJobs.join(' OR ')})`],
        ...['--versioning-override-behavior', 'pinned'],
        ...['--versioning-override-deployment-name', 'upgrade'],
        ...['--versioning-override-build-id', 'B'],
      ],
      { env: site.processEnv, stdio: 'pipe' },
    );
    workerA.signal('SIGTERM');
    assert.equal(await workerA.ended, 0, workerA.said);
    await replayed(site.client, open, moved.finish());
    workerB.signal('SIGTERM');
    assert.equal(await workerB.ended, 0, workerB.said);
  });
});
