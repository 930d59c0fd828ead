/** What can be told of jobs without a worker, and after the server has forgotten them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { ItemSummary, JobStatus } from '../src/client.js';
import { cli } from './support/cli.js';
import { Site, readOutput, temporalCli, until } from './support/site.js';

const execute = promisify(execFile);

let site: Site;
/** `done` has ended; `open`, `killed` and `gone` have done one of two rows; `bad` was refused. */
before(async () => {
  // The server deletes a history once it has noted that its other tasks are done.
  const soon = '"100ms"';
  site = await Site.open({
    dynamicConfig: {
      'history.transferProcessorUpdateAckInterval': soon,
      'history.visibilityProcessorUpdateAckInterval': soon,
    },
  });
  const worker = await site.worker();
  const done = await site.spec({
    a: [['report', 1]],
    b: [
      ['err', 'no'],
      ['exit', 2],
    ],
  });
  const half = await site.spec({ a: [['report', 1]], b: [['hang']] });
  const bad = { ...half, instruction: '{nothing}' };
  const { jobs } = site;
  await jobs.start(done, { jobId: 'done' });
  for (const jobId of ['open', 'killed', 'gone']) {
    await jobs.start({ ...half, agent: { external: true } }, { jobId });
  }
  await jobs.start(bad, { jobId: 'bad' });
  for (const job_id of ['open', 'killed', 'gone']) {
    await until(`${job_id} has its first report`, async () => {
      return (await jobs.report({ job_id, item_id: 'a', result: 1 })).accepted;
    });
    await until(`${job_id} has stored it`, async () => {
      return (await jobs.store.job(job_id).lastBatch())?.counts.completed === 1;
    });
  }
  await jobs.job('done').result();
  await jobs
    .job('bad')
    .result()
    .catch(() => {});
  worker.shutdown();
  await worker.done;
  await temporal('workflow', 'terminate', '--workflow-id', 'killed', '--reason', 'enough');
  for (const id of ['done', 'gone']) {
    await temporal('workflow', 'delete', '--workflow-id', id);
    await until(`the server has forgotten ${id}`, async () => {
      const described = jobs.client.workflow.getHandle(id).describe();
      return described.then(
        () => false,
        () => true,
      );
    });
  }
});
after(() => site.close());

const temporal = (...args: string[]) => execute(temporalCli(), args, { env: site.processEnv });
const command = (...args: string[]) => cli(args, { env: site.processEnv, cwd: site.folder });

async function statusOf(id: string): Promise<JobStatus> {
  const { code, stdout, stderr } = await command('status', id, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as JobStatus;
}

test('status: of a job without a worker, from what is stored', async () => {
  const { state, completed, pending, running } = await statusOf('open');
  assert.deepEqual([state, completed, pending, running], ['unreachable', 1, 1, null]);
  const { stdout } = await command('status', 'open');
  assert.match(stdout, /^Job open: unreachable\. 1 of 2 rows completed, 1 pending\.$/m);
  assert.match(stdout, /none answers, these figures are .* old; to start one: agent-jobs worker$/m);
});

test('status: of jobs whose history is gone', async () => {
  const { state, verdict, failures } = await statusOf('done');
  assert.deepEqual([state, verdict, failures.length], ['closed', 'partial', 1]);
  const gone = await statusOf('gone');
  assert.deepEqual([gone.state, gone.completed, gone.pending], ['terminated', 1, 1]);
});

test('a terminated job is 4, a refused one 2, one that never was 2', async () => {
  const killed = await command('watch', 'killed');
  assert.equal(killed.code, 4, killed.stderr);
  assert.match(killed.stdout, /^Job killed: terminated\. 1 of 2 rows completed, 1 pending/);
  assert.match(killed.stdout, /^  reason   enough$/m);
  assert.match(killed.stdout, /not written yet; as it stands: agent-jobs results killed$/m);
  const bad = await command('watch', 'bad');
  assert.equal(bad.code, 2, bad.stderr);
  assert.match(bad.stdout, /^Job bad: refused\.[^]*\{nothing\} is no column/);
  for (const name of ['watch', 'items', 'results', 'cancel']) {
    const unknown = await command(name, 'never-was');
    assert.deepEqual([unknown.code, unknown.stdout], [2, ''], name);
    assert.match(unknown.stderr, /job never-was/);
  }
});

test('list has all of them, newest first', async () => {
  const { stdout } = await command('list', '--json');
  const found = JSON.parse(stdout) as JobStatus[];
  const states = Object.fromEntries(found.map(({ job_id, state }) => [job_id, state]));
  assert.deepEqual(states, {
    done: 'closed',
    open: 'unreachable',
    killed: 'terminated',
    gone: 'terminated',
    bad: 'refused',
  });
  const started = found.map(({ started_at }) => started_at!);
  assert.deepEqual(started, started.toSorted().reverse());
  const table = (await command('list')).stdout;
  assert.match(table, /^JOB +STATE +ROWS +DONE +FAILED +STARTED$/m);
  assert.match(table, /^done +partial +2 +2 +1 +20/m);
});

test('items, by status, as lines and as JSON', async () => {
  const found = async (...args: string[]) =>
    JSON.parse((await command('items', ...args, '--json')).stdout) as ItemSummary[];
  const statuses = (items: ItemSummary[]) => items.map(({ item_id, status }) => [item_id, status]);
  assert.deepEqual(statuses(await found('open')), [
    ['a', 'completed'],
    ['b', 'running'],
  ]);
  const [running, ...others] = await found('open', '--status', 'running');
  assert.deepEqual([running!.item_id, running!.workflow_id, others], ['b', 'open/b', []]);
  assert.deepEqual(await found('open', '--status', 'failed'), []);
  const { stdout } = await command('items', 'done', '--status', 'failed');
  assert.match(stdout, /^failed {5}b  .*exited with code 2: no\n$/);
});

test('results: at any time, also of what the server has forgotten', async () => {
  for (const [id, second] of [
    ['gone', 'pending'],
    ['done', 'failed'],
  ] as const) {
    const { code, stdout, stderr } = await command('results', id, '--output', `${id}.csv`);
    assert.equal(code, 0, stderr);
    const output = join(site.folder, `${id}.csv`);
    assert.equal(stdout, `${output}\n`);
    const rows = await readOutput(output);
    assert.deepEqual(
      rows.map(({ id, status }) => [id, status]),
      [
        ['a', 'completed'],
        ['b', second],
      ],
    );
  }
  const { csv_path } = (await site.jobs.store.job('open').record())!.spec;
  const taken = await command('results', 'open', '--output', 'done.csv');
  assert.equal(taken.code, 2);
  assert.match(taken.stderr, /done\.csv is there already.*--overwrite/);
  await rm(csv_path);
  assert.equal((await command('results', 'open', '--output', 'done.csv', '--overwrite')).code, 0);
});
