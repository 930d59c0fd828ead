/** Workers that are killed, stopped, replaced, or lack the job's store: no row is lost or done twice. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from '@temporalio/worker';
import { AgentJobs, type JobSummary } from '../src/client.js';
import { dataConverter } from '../src/data-converter.js';
import { WORKER_SHUTDOWN_FAILURE, itemWorkflowId } from '../src/messages.js';
import { LIGHT_AGENT, lightSpec, rowsOf } from './support/light-agent.js';
import { isGroupGone } from './support/processes.js';
import { ROOT, Site, readOutput, until } from './support/site.js';
import { Starts } from './support/starts.js';
import { WorkerProcess } from './support/worker-process.js';

let site: Site;
before(async () => (site = await Site.open()));
after(async () => {
  WorkerProcess.killAll();
  await site.close();
});

/** A task queue and folders of a test's own, so that the tests can run at the same time. */
async function place(name: string) {
  const folder = join(site.folder, name);
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: `${site.taskQueue}-${name}` };
  const jobs = new AgentJobs({
    client: site.client,
    taskQueue: env.AGENT_JOBS_TASK_QUEUE,
    store: site.storeFolder,
  });
  const subfolder = async (sub: string) => {
    await mkdir(join(folder, sub), { recursive: true });
    return join(folder, sub);
  };
  const starts = new Starts(join(await subfolder('.'), 'starts'));
  return { folder, env, jobs, starts, subfolder };
}

/** Each row once, in input order, completed with its own result, at its first attempt. */
async function assertAllCompleted(summary: JobSummary, count: number): Promise<void> {
  assert.deepEqual([summary.verdict, summary.completed], ['succeeded', count]);
  const rows = await readOutput(summary.output_csv_path);
  assert.deepEqual(
    rows.map(({ status, attempt_count, row_index, result_json }) => ({
      status,
      attempt_count,
      row_index,
      result_json,
    })),
    Array.from({ length: count }, (_, n) => ({
      status: 'completed',
      attempt_count: '1',
      row_index: String(n),
      result_json: String(n),
    })),
  );
}

describe('workers that go and come', { concurrency: true }, () => {
  it('what a worker was doing for a job when it was lost is soon done by another', async () => {
    const { env, jobs } = await place('lost-activity');
    const taskQueue = env.AGENT_JOBS_TASK_QUEUE;
    const first = await site.worker({ taskQueue });
    const external = { agent: { external: true } } as const;
    const spec = await lightSpec(
      site,
      rowsOf(2, () => ''),
      external,
    );
    const job = await jobs.start(spec);
    for (const id of ['r000', 'r001']) {
      await until(`the task of ${id}`, () => job.task(id).catch(() => undefined));
    }
    first.shutdown();
    await first.done;
    const workflows = await Worker.create({
      connection: site.env.nativeConnection,
      taskQueue,
      workflowBundle: { codePath: join(ROOT, 'dist/workflow-bundle.js') },
      dataConverter,
    });
    const report = async (item_id: string, result: number) =>
      assert.ok((await jobs.report({ job_id: job.jobId, item_id, result })).accepted);
    await workflows.runUntil(async () => {
      await report('r000', 0);
      const { activityType } = await site.client.withDeadline(Date.now() + 30_000, () =>
        site.client.workflowService.pollActivityTaskQueue({
          namespace: 'default',
          taskQueue: { name: taskQueue },
          identity: 'to be lost',
        }),
      );
      assert.equal(activityType?.name, 'appendOutcomes');
    });
    await site.worker({ taskQueue });
    await report('r001', 1);
    await until('it has ended', async () => (await job.status()).state === 'closed', 45_000);
    await assertAllCompleted(await job.result(), 2);
  });

  it('a worker that is killed takes its agents along, and the next one does their rows', async () => {
    const { env, jobs, starts, folder } = await place('killed');
    const args = ['--concurrency', '6'];
    const first = await WorkerProcess.start(env, { cwd: folder, args });
    const shell = (n: number) => `${starts.shell}; sleep ${n % 4 === 0 ? 3 : 0.3}; report ${n}`;
    const spec = await lightSpec(site, rowsOf(20, shell), { max_concurrency: 6 });
    const job = await jobs.start(spec);
    await until('some have ended', async () => (await job.status()).completed >= 3);
    await first.kill();
    const lost = await starts.read();
    for (const { pid } of lost) {
      await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
    }
    await WorkerProcess.start(env, { cwd: folder, args });
    await assertAllCompleted(await job.result(), 20);
    const starting = await starts.perItem();
    assert.equal(starting.size, 20);
    // At most those that ran when it was killed, and those whose end it could not tell any more.
    const again = [...starting.values()].filter((times) => times > 1);
    assert.ok(again.length > 0 && again.length <= 6, `${again.length} started again`);
    assert.ok(again.every((times) => times === 2));
  });

  it('workers and client may be in three folders, and one worker be killed', async () => {
    const { env, starts, subfolder } = await place('folders');
    const cwd = await subfolder('client');
    const rows = rowsOf(12, () => `${starts.shell}; sleep 1; report '"'$PWD'"'`);
    await writeFile(join(cwd, 'in.csv'), `shell\n${Object.values(rows).map(quoted).join('\n')}\n`);
    const args = ['--concurrency', '3'];
    const one = await WorkerProcess.start(env, { cwd: await subfolder('one'), args });
    const two = await WorkerProcess.start(env, { cwd: await subfolder('two'), args });
    const run = promisify(execFile)(
      process.execPath,
      [
        join(ROOT, 'dist/cli/main.js'),
        ...['run', 'in.csv', '--instruction', '{shell}', '--output', 'out.csv', '--json', '--'],
        ...LIGHT_AGENT,
      ],
      { cwd, env },
    );
    await until('both workers have agents', async () => (await starts.read()).length >= 4);
    await one.kill();
    const { verdict, completed } = JSON.parse((await run).stdout) as JobSummary;
    assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: 12 });
    for (const [n, row] of (await readOutput(join(cwd, 'out.csv'))).entries()) {
      const { row_index, status, attempt_count, result_json } = row;
      assert.deepEqual(
        { row_index, status, attempt_count, result_json },
        {
          row_index: String(n),
          status: 'completed',
          attempt_count: '1',
          // The agents' folder is the client's.
          result_json: JSON.stringify(cwd),
        },
      );
    }
    two.signal('SIGTERM');
    assert.equal(await two.ended, 0);
  });

  it('a worker that is told to go lets its agents finish', async () => {
    const { env, jobs, starts, folder } = await place('drained');
    const args = ['--concurrency', '3'];
    const first = await WorkerProcess.start(env, { cwd: folder, args });
    const shell = (n: number) =>
      `${starts.shell}; while [ ! -e ${folder}/go ]; do sleep 0.1; done; report ${n}`;
    const spec = await lightSpec(site, rowsOf(6, shell), { max_concurrency: 6 });
    const job = await jobs.start(spec);
    await until('three run', async () => (await starts.read()).length === 3);
    first.signal('SIGTERM');
    await until('it takes no more', () => first.said.includes('takes no more'));
    await writeFile(join(folder, 'go'), '');
    assert.equal(await first.ended, 0);
    assert.equal((await starts.read()).length, 3);
    await WorkerProcess.start(env, { cwd: folder, args });
    await assertAllCompleted(await job.result(), 6);
    // Those that it had begun have ended with it, and are not done again.
    assert.deepEqual(new Set((await starts.perItem()).values()), new Set([1]));
  });

  for (const [how, drainSeconds, signals] of [
    ['after its drain', 1, 1],
    ['at the second signal', 600, 2],
  ] as const) {
    it(`a worker that is told to go ends its agents ${how}, at no cost`, async () => {
      const { env, jobs, starts, folder } = await place(`ended-${signals}`);
      const first = await WorkerProcess.start(env, {
        cwd: folder,
        args: ['--concurrency', '3', '--drain-seconds', String(drainSeconds)],
      });
      // The first start of an item would take long, the second does not.
      const shell = (n: number) =>
        `[ -e ${folder}/${n} ] || { touch ${folder}/${n}; ${starts.shell}; sleep 600; }; report ${n}`;
      const spec = await lightSpec(site, rowsOf(3, shell));
      const job = await jobs.start(spec);
      await until('three run', async () => (await starts.read()).length === 3);
      for (let n = 0; n < signals; n += 1) {
        first.signal('SIGTERM');
        await until('it has said so', () => first.said.split('\n').length > n + 4);
      }
      assert.equal(await first.ended, 0);
      for (const { pid } of await starts.read()) {
        await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
      }
      await WorkerProcess.start(env, { cwd: folder });
      await assertAllCompleted(await job.result(), 3);
      // The worker has said so itself: nobody had to find out first that it was lost.
      for (const { itemId } of await starts.read()) {
        const item = site.client.workflow.getHandle(itemWorkflowId(job.jobId, itemId));
        const { events = [] } = await item.fetchHistory();
        const failures = events!.flatMap((event) => event.activityTaskFailedEventAttributes ?? []);
        assert.deepEqual(
          failures.map(({ failure }) => failure?.applicationFailureInfo?.type),
          [WORKER_SHUTDOWN_FAILURE],
        );
        assert.ok(events!.every((event) => !event.activityTaskTimedOutEventAttributes));
      }
    });
  }

  it('a worker with another store says so and leaves the work to one that has it', async () => {
    const { env, jobs, starts, folder, subfolder } = await place('stores');
    const right = await WorkerProcess.start(env, { cwd: folder, args: ['--concurrency', '4'] });
    // Agents that take every slot of the right worker until the wrong one has been asked.
    const shell = (n: number) =>
      `${starts.shell}; until [ -e ${folder}/said ]; do sleep 0.1; done; report ${n}`;
    const spec = await lightSpec(site, rowsOf(8, shell), { max_concurrency: 6 });
    const job = await jobs.start(spec);
    await until('four run', async () => (await starts.read()).length === 4);
    const wrong = await WorkerProcess.start(
      { ...env, AGENT_JOBS_STORE: await subfolder('other-store') },
      { cwd: folder, args: ['--concurrency', '1'] },
    );
    await until('it has said so', () => wrong.said.includes('is in job store'));
    await writeFile(join(folder, 'said'), '');
    await assertAllCompleted(await job.result(), 8);
    assert.match(wrong.said, /job \S+ is in job store \S+; this worker has \S+ \(\S+other-store\)/);
    for (const worker of [right, wrong]) {
      worker.signal('SIGTERM');
      assert.equal(await worker.ended, 0);
    }
  });
});

function quoted(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`;
}
