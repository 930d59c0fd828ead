/** Workers of a new version take over while jobs of the one before are in flight. */
import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AgentJobs } from '../src/client.js';
import { unpolledQueues } from '../src/client/task-queues.js';
import { itemWorkflowId, reportSignal } from '../src/messages.js';
import { itemsOf, runsOf } from './support/chain.js';
import { AGENT, Site, until } from './support/site.js';
import { makeCurrent, version } from './support/versions.js';
import { WorkerProcess } from './support/worker-process.js';

const ROWS = 30;
const IN_FLIGHT = 4;
/** As the server numbers it; the SDK does not export the name. */
const PINNED = 1;

let site: Site;
before(async () => {
  // So that a job of some rows continues as new a few times.
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
});
after(async () => {
  WorkerProcess.killAll();
  await site.close();
});

function start(args: string[], env: NodeJS.ProcessEnv = site.processEnv): Promise<WorkerProcess> {
  return WorkerProcess.start(env, { cwd: site.folder, args });
}

async function end(worker: WorkerProcess): Promise<void> {
  worker.signal('SIGTERM');
  assert.equal(await worker.ended, 0, worker.said);
}

/** Which version an execution is pinned to; undefined where it is not pinned. */
async function pinnedTo(workflowId: string, runId?: string): Promise<string | undefined> {
  const { raw } = await site.client.workflow.getHandle(workflowId, runId).describe();
  const { behavior, deploymentVersion } = raw.workflowExecutionInfo?.versioningInfo ?? {};
  return behavior === PINNED ? (deploymentVersion?.buildId ?? undefined) : undefined;
}

/** Reports for rows of a job with external items, each when it runs. */
async function report(jobId: string, ids: string[]): Promise<void> {
  for (const id of ids) {
    const item = site.client.workflow.getHandle(itemWorkflowId(jobId, id));
    await until(`${id} of ${jobId} runs`, () =>
      item.signal(reportSignal, { result: id }).then(
        () => true,
        () => false,
      ),
    );
  }
}

/** Who ran the agent of an item, by the server's account: process and host. */
async function agentWorker(workflowId: string): Promise<string | undefined> {
  const { events } = await site.client.workflow.getHandle(workflowId).fetchHistory();
  const started = events?.find((event) => event.activityTaskStartedEventAttributes);
  return started?.activityTaskStartedEventAttributes?.identity ?? undefined;
}

test('a job ends on the version that it began on; a new one goes to the one that is current', async () => {
  const queues = [site.taskQueue, `${site.taskQueue}-agents`];
  const workerA = await start(version('A'));
  await makeCurrent(site.client, 'A', queues);
  // Its pollers are listed a moment after it has made itself known.
  await until(
    'no queue is missed',
    async () =>
      (await unpolledQueues(site.client, site.taskQueue, { command: AGENT })).length === 0,
  );

  const ids = Array.from({ length: ROWS }, (_, row) => `r${row}`);
  const external = async () => ({
    ...(await site.spec(Object.fromEntries(ids.map((id) => [id, []])))),
    agent: { external: true as const },
    max_concurrency: IN_FLIGHT,
  });
  const old = await site.jobs.start(await external());
  await report(old.jobId, ids.slice(0, 2));
  // Its second row is not started before its first has ended: by then, B is current.
  const [begun, go] = [join(site.folder, 'begun'), join(site.folder, 'go')];
  const agents = await site.jobs.start(
    await site.spec(
      {
        first: [
          ['touch', begun],
          ['wait-for', go],
          ['report', 1],
        ],
        second: [['report', 2]],
      },
      { max_concurrency: 1 },
    ),
  );
  await until('the first agent runs', () =>
    access(begun).then(
      () => true,
      () => false,
    ),
  );

  const workerB = await start(version('B'));
  await makeCurrent(site.client, 'B', queues);
  await writeFile(go, '');
  const fresh = await site.jobs.start(await external());
  await report(fresh.jobId, ids.slice(0, 1));
  assert.equal(await pinnedTo(fresh.jobId), 'B');

  await report(old.jobId, ids.slice(2));
  assert.equal((await old.result()).completed, ROWS);
  const runs = await runsOf(site.client, old.jobId);
  assert.ok(runs.length > 1, 'the job has not continued as new');
  for (const run of runs) assert.equal(await pinnedTo(old.jobId, run), 'A');
  const items = await itemsOf(site.client, old.jobId);
  assert.equal(items.length, ROWS);
  for (const { workflowId } of items) assert.equal(await pinnedTo(workflowId), 'A', workflowId);

  // Agents, too, are started by workers of the job's version.
  assert.equal((await agents.result()).completed, 2);
  for (const id of ['first', 'second']) {
    const by = await agentWorker(itemWorkflowId(agents.jobId, id));
    assert.match(by!, new RegExp(`^${workerA.pid}@`), id);
  }

  // Nothing of A is left: its workers may go, and the job of B does not miss them.
  await end(workerA);
  await report(fresh.jobId, ids.slice(1));
  assert.equal((await fresh.result()).completed, ROWS);
  for (const { workflowId } of await itemsOf(site.client, fresh.jobId)) {
    assert.equal(await pinnedTo(workflowId), 'B', workflowId);
  }
  await end(workerB);
});

test('hosts of agents without a version work for jobs of any', async () => {
  const taskQueue = `${site.taskQueue}-mixed`;
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue };
  const workflows = await start(['--role', 'workflows', ...version('A', 'mixed')], env);
  const agents = await start(['--role', 'agents'], env);
  await makeCurrent(site.client, 'A', [taskQueue], 'mixed');
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const job = await jobs.start(await site.spec({ a: [['report', 1]], b: [['report', 2]] }));
  assert.equal((await job.result()).completed, 2);
  assert.equal(await pinnedTo(job.jobId), 'A');
  await end(workflows);
  await end(agents);
});

test('a job that began without a version goes on with the first one that is current', async () => {
  const taskQueue = `${site.taskQueue}-first`;
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue };
  const without = await start([], env);
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const spec = await site.spec({ a: [], b: [] }, { agent: { external: true }, max_concurrency: 1 });
  const job = await jobs.start(spec);
  await report(job.jobId, ['a']);
  await end(without);

  const first = await start(version('A', 'first'), env);
  await makeCurrent(site.client, 'A', [taskQueue, `${taskQueue}-agents`], 'first');
  await report(job.jobId, ['b']);
  assert.equal((await job.result()).completed, 2);
  await end(first);
});
