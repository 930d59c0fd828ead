/** The real Codex as a host of many rows' agents: one process for a job, and what becomes of it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs } from '../../src/client.js';
import type { JobSpec, Json } from '../../src/job.js';
import { isGone, isGroupGone, pidsIn } from '../support/processes.js';
import { Site, until } from '../support/site.js';
import { WorkerProcess } from '../support/worker-process.js';
import { type Mocked, mockedPrograms } from './mocked.js';

let site: Site;
let mocked: Mocked;
/** A line for each start of Codex: its process ID and its arguments. */
let starts: string;
before(async () => {
  site = await Site.open();
  mocked = await mockedPrograms(site.folder);
  // A repository is what Codex would note as trusted.
  execFileSync('git', ['init', '-q', site.folder]);
  starts = join(site.folder, 'starts');
  const bin = join(site.folder, 'bin');
  const real = process.env['PATH']!.split(delimiter)[0]!;
  await mkdir(bin);
  await writeFile(
    join(bin, 'codex'),
    `#!/bin/sh\necho "$$ $*" >>${starts}\nexec ${real}/codex "$@"\n`,
  );
  await chmod(join(bin, 'codex'), 0o755);
  process.env['PATH'] = [bin, process.env['PATH']].join(delimiter);
  process.env['TEMPORAL_SECRET'] = 'not for agents';
});
after(async () => {
  WorkerProcess.killAll();
  await site.close();
  await mocked.close();
});

/** What was started since the last time this was asked for: hosts, and processes of one row. */
async function started(): Promise<{ hosts: number[]; rows: number[] }> {
  const lines = (await readFile(starts, 'utf8')).split('\n');
  await writeFile(starts, '');
  const pids = (kind: RegExp) =>
    lines.filter((line) => kind.test(line)).map((line) => Number(line.split(' ')[0]));
  return { hosts: pids(/^\d+ app-server -c /), rows: pids(/^\d+ exec /) };
}

interface OutputRow {
  item_id: string;
  status: string;
  attempt_count: number;
  last_error: string;
  result?: Json;
}

let jobs = 0;
async function start(directives: Record<string, string>, spec: Partial<JobSpec> = {}) {
  const name = `hosted-${(jobs += 1)}`;
  const output = join(site.folder, `${name}.jsonl`);
  const job = await site.jobs.start({
    csv_path: await site.file(
      `${name}.csv`,
      stringify([['id', 'directive'], ...Object.entries(directives)]),
    ),
    output_csv_path: output,
    id_column: 'id',
    instruction: 'MODEL {directive}',
    agent: { preset: 'codex', workdir: site.folder },
    report_grace_seconds: 1,
    ...spec,
  });
  const rows = async () => {
    await job.result().catch(() => {});
    const lines = (await readFile(output, 'utf8')).trim().split('\n');
    const all = lines.map((line) => JSON.parse(line) as OutputRow);
    return Object.fromEntries(all.map((row) => [row.item_id, row]));
  };
  return { job, rows };
}

/** Codex with these arguments of the user. */
const codex = (...args: string[]): Partial<JobSpec> => ({
  agent: { preset: 'codex', workdir: site.folder, args },
});
/** The sandbox would end what a command leaves behind, and keep it from writing. */
const FREE = ['-s', 'danger-full-access'];
const command = (cmd: string, waitMs = 1000) =>
  `call exec_command ${JSON.stringify({ cmd, yield_time_ms: waitMs })}`;

test('one process runs all rows, and ends with its worker', async () => {
  const worker = await site.worker({ concurrency: 32 });
  const ids = Array.from({ length: 64 }, (_, n) => `r${n}`);
  const { rows } = await start(Object.fromEntries(ids.map((id) => [id, `report {"of":"${id}"}`])), {
    max_concurrency: 32,
  });
  const ended = await rows();
  for (const id of ids) assert.deepEqual(ended[id]!.result, { of: id }, ended[id]!.last_error);
  const { hosts, rows: processes } = await started();
  assert.deepEqual([hosts.length, processes.length], [1, 0]);
  assert.ok(!isGroupGone(hosts[0]!));
  worker.shutdown();
  await worker.done;
  assert.ok(isGroupGone(hosts[0]!));
  assert.deepEqual(await readdir(join(site.folder, 'worker-notes')), []);
});

test('a result may hold what is a line end elsewhere', async () => {
  await site.worker();
  const { rows } = await start({ a: String.raw`report "a\u2028b\u0085\r\nc"` });
  assert.equal((await rows())['a']!.result, 'a\u2028b\u0085\r\nc');
});

test('a run reports for itself alone', async () => {
  const { job, rows } = await start({
    thief: `call report_agent_job_result {"item_id":"owner","result":"stolen"}`,
    owner: `${command('sleep 2', 5000)} THEN report "own"`,
  });
  const { thief, owner } = await rows();
  assert.equal(owner!.result, 'own');
  assert.match(thief!.last_error, /^invalid_report: .*this token is of item_id thief/);
  const logs = await site.jobs.job(job.jobId).logs('owner');
  assert.match(
    logs[0]!.transcript!.join('\n'),
    /sleep 2'[^]*> report_agent_job_result [^]*accepted/,
  );
});

test('a thread that says and calls nothing is ended, and no other', async () => {
  const step = command('sleep 1', 5000);
  const { job, rows } = await start(
    { silent: 'hang', steps: `${Array(8).fill(step).join(' THEN ')} THEN report 1` },
    { idle_seconds: 6 },
  );
  const { silent, steps } = await rows();
  assert.match(silent!.last_error, /^timed_out: printed and called nothing for 6 s, ended/);
  assert.equal(steps!.status, 'completed', steps!.last_error);
  const [log] = await site.jobs.job(job.jobId).logs('steps');
  assert.ok(log!.text.split('command_execution').length > 8, log!.text);
});

test("commands have their run's environment, and nothing of Temporal's", async () => {
  const file = join(site.folder, 'environment');
  const { rows } = await start(
    { a: `${command(`env >${file}; cat $AGENT_JOBS_ROW_FILE >>${file}`, 5000)} THEN report 1` },
    codex(...FREE),
  );
  assert.equal((await rows())['a']!.status, 'completed');
  const seen = await readFile(file, 'utf8');
  assert.match(seen, /^AGENT_JOBS_ITEM_ID=a$/m);
  assert.match(seen, /^AGENT_JOBS_REPORT_TOKEN=./m);
  assert.match(seen, /"id":"a"/);
  assert.doesNotMatch(seen, /TEMPORAL/);
});

test('what a command leaves behind ends with its run, whatever its model', async () => {
  for (const [index, model] of ['mock-model', 'gpt-6.1-sol'].entries()) {
    const pids = join(site.folder, `left-${index}.pids`);
    const leave = `setsid sleep 600 >/dev/null 2>&1 & echo $! >>${pids}`;
    const { rows } = await start(
      { leaves: `${command(leave)} THEN report 1`, trivial: 'report 2' },
      codex(...FREE, '-m', model),
    );
    for (const row of Object.values(await rows())) {
      assert.equal(row.status, 'completed', row.last_error);
    }
    const left = await pidsIn(pids);
    assert.equal(left.length, 1);
    assert.ok(await isGone(left[0]!));
  }
});

test('what the preset switches off comes back by an argument', async () => {
  const chosen = () => codexLogged('shadow_selection_experiment');
  const told = async (spec: Partial<JobSpec>) => {
    const { rows } = await start({ a: `${command('sleep 3', 5000)} THEN report 1` }, spec);
    assert.equal((await rows())['a']!.status, 'completed');
  };
  await told({});
  // It would have been written by now.
  assert.equal(await chosen(), false);
  await told(codex('--enable', 'skill_search'));
  await until('skills were chosen in another way, too', chosen);
});

test('a host lets go of a thread with its run', async () => {
  await until('a thread is shut down', () =>
    codexLogged('has no subscribers and is idle; shutting down'),
  );
});

test('a host that is killed costs its runs an attempt, and the next ones have another', async () => {
  await started();
  const ids = Array.from({ length: 8 }, (_, n) => `r${n}`);
  const slow = `${command('sleep 3', 20_000)} THEN report "late"`;
  const { job, rows } = await start(Object.fromEntries(ids.map((id) => [id, slow])), {
    max_attempts: 2,
  });
  await until('the rows run', async () => (await job.status()).running === ids.length);
  await until('a command runs', async () => (await sleeping('sleep 3')) > 0);
  const [first] = (await started()).hosts;
  process.kill(-first!, 'SIGKILL');
  const ended = await rows();
  for (const id of ids) assert.equal(ended[id]!.result, 'late', ended[id]!.last_error);
  assert.equal((await started()).hosts.length, 1);
  assert.ok(ids.some((id) => ended[id]!.attempt_count === 2));
});

test('without another attempt, a row says that its host has ended', async () => {
  await started();
  const { requests } = mocked.codexModel;
  const askedBefore = requests.length;
  const { rows } = await start({ a: 'hang' });
  await until('its model is asked', () => requests.length > askedBefore);
  const [host] = (await started()).hosts;
  process.kill(-host!, 'SIGKILL');
  assert.match(
    (await rows())['a']!.last_error,
    /^agent_error: (ended by signal SIGKILL|exited with code \d+): its codex app-server has ended/,
  );
});

test('at its deadline a run ends with all that it has started, and the others go on', async () => {
  await started();
  const pids = join(site.folder, 'deadline.pids');
  const leave = `echo $$ >>${pids}; setsid sleep 600 >/dev/null 2>&1 & echo $! >>${pids}; sleep 600`;
  const ids = Array.from({ length: 6 }, (_, n) => `r${n}`);
  const { rows } = await start(
    {
      hangs: `${command(leave)} THEN hang`,
      delegates: 'call spawn_agent {"message":"MODEL hang"} THEN hang',
      ...Object.fromEntries(ids.map((id) => [id, `${command('sleep 1', 9000)} THEN report 1`])),
    },
    { ...codex(...FREE), max_runtime_seconds: 12, max_concurrency: 3 },
  );
  const ended = await rows();
  for (const id of ['hangs', 'delegates']) {
    assert.match(ended[id]!.last_error, /^timed_out: still running after the 12 s/);
  }
  for (const id of ids) assert.equal(ended[id]!.status, 'completed', ended[id]!.last_error);
  const left = await pidsIn(pids);
  assert.equal(left.length, 2);
  for (const pid of left) assert.ok(await isGone(pid));
  await noModelAsked();
  assert.equal((await started()).hosts.length, 1);
});

test('cancelling the job ends its turns and their commands', async () => {
  const pids = join(site.folder, 'cancel.pids');
  const { job, rows } = await start(
    Object.fromEntries(
      ['a', 'b', 'c'].map((id) => [id, `${command(`echo $$ >>${pids}; sleep 600`)} THEN hang`]),
    ),
    codex(...FREE),
  );
  const running = await until('the commands run', async () => {
    const all = await pidsIn(pids);
    return all.length === 3 && all;
  });
  await job.cancel();
  for (const { status } of Object.values(await rows())) assert.equal(status, 'cancelled');
  for (const pid of running) assert.ok(await isGone(pid));
  await noModelAsked();
});

test('the key of the environment is for memory alone; a model that runs code has the tool', async () => {
  await started();
  process.env['CODEX_API_KEY'] = 'mock';
  try {
    const { rows } = await start({ a: 'report "coded"' }, codex('-m', 'gpt-6.1-sol'));
    assert.equal((await rows())['a']!.result, 'coded');
  } finally {
    delete process.env['CODEX_API_KEY'];
  }
  assert.equal((await started()).hosts.length, 1);
  assert.ok(!(await readdir(mocked.codexHome)).includes('auth.json'));
  // Nor has any job before made a folder a trusted one.
  const config = await readFile(join(mocked.codexHome, 'config.toml'), 'utf8');
  assert.doesNotMatch(config, /trust/);
});

test('a folder that is not there is told', async () => {
  const workdir = join(site.folder, 'none');
  const { rows } = await start({ a: 'report 1' }, { agent: { preset: 'codex', workdir } });
  assert.match((await rows())['a']!.last_error, /the working directory .*none is not there/);
});

test('arguments that a host does not take have a process for each row', async () => {
  await started();
  const { rows } = await start({ a: 'report 1', b: 'report 2' }, codex('--color', 'never'));
  for (const { status } of Object.values(await rows())) assert.equal(status, 'completed');
  const { hosts, rows: processes } = await started();
  assert.deepEqual([hosts.length, processes.length], [0, 2]);
});

test('a host ends with a worker that is killed', async () => {
  await started();
  const taskQueue = `${site.taskQueue}-killed`;
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue };
  const worker = await WorkerProcess.start(env, { cwd: site.folder });
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const { requests } = mocked.codexModel;
  const askedBefore = requests.length;
  const job = await jobs.start({
    csv_path: await site.file('killed.csv', 'directive\nhang\n'),
    instruction: 'MODEL {directive}',
    agent: { preset: 'codex' },
  });
  await until('its model is asked', () => requests.length > askedBefore);
  const [host] = (await started()).hosts;
  await worker.kill();
  await until('the host is gone', () => isGroupGone(host!));
  await site.client.workflow.getHandle(job.jobId).terminate();
});

/** That no turn goes on. */
async function noModelAsked(): Promise<void> {
  const { unanswered } = mocked.codexModel;
  await until('no model is asked any more', () => unanswered.size === 0);
}

/** Whether Codex has noted something in its log, which it writes every two seconds. */
async function codexLogged(what: string): Promise<boolean> {
  const names = (await readdir(mocked.codexHome)).filter((name) => name.startsWith('logs_'));
  const logs = await Promise.all(names.map((name) => readFile(join(mocked.codexHome, name))));
  return logs.some((log) => log.includes(what));
}

/** Processes of this command line. */
async function sleeping(commandLine: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.split('\0').join(' ').trim() === commandLine).length;
}
