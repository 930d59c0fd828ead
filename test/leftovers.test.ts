/** Agents, and what they started, never outlive their run, nor the next start of a worker on their host. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RunNotes } from '../src/agent/leftovers.js';
import { AgentJobs } from '../src/client.js';
import { LIGHT_AGENT, lightSpec } from './support/light-agent.js';
import { isGone, pidsIn } from './support/processes.js';
import { repository, stateOf } from './support/repository.js';
import { Site, until } from './support/site.js';
import { WorkerProcess } from './support/worker-process.js';

const LINUX = process.platform === 'linux';

let site: Site;
before(async () => (site = await Site.open()));
after(async () => {
  WorkerProcess.killAll();
  await site.close();
});

/** Starts a daemon that takes no polite signal, and notes it. */
const daemon = (pids: string) =>
  `setsid bash -c 'trap "" TERM; echo $$ >>${pids}; while :; do sleep 1; done' >/dev/null 2>&1 & ` +
  `until [ -s ${pids} ]; do sleep 0.05; done`;

for (const [how, end] of [
  ['has reported', 'report 1'],
  ['has failed', 'exit 1'],
  ['is ended', 'sleep 1000'],
] as const) {
  test(
    `a daemon goes with the run of its agent that ${how}`,
    { skip: !LINUX && 'only Linux tells whose a process is' },
    async () => {
      const worker = await site.worker();
      const pids = join(site.folder, `daemons ${how}`.replaceAll(' ', '-'));
      const spec = await lightSpec(site, { a: `${daemon(pids)}; ${end}` });
      const job = await site.jobs.start({
        ...spec,
        max_runtime_seconds: 2,
        report_grace_seconds: 0,
      });
      await job.result().catch(() => {});
      const [pid] = await pidsIn(pids);
      assert.ok(await isGone(pid!));
      assert.deepEqual(await readdir(join(site.folder, 'worker-notes')), []);
      worker.shutdown();
      await worker.done;
    },
  );
}

/** The process that ends the agents of a worker that is gone. */
function guardOf(worker: number, agents: number[]): number {
  const children = execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([ppid, , program]) => Number(ppid) === worker && program === '/bin/sh')
    .map(([, pid]) => Number(pid))
    .filter((pid) => !agents.includes(pid));
  assert.equal(children.length, 1);
  return children[0]!;
}

test('what worker and guard leave when both are killed, the next worker ends and removes', async () => {
  const taskQueue = `${site.taskQueue}-killed`;
  const temporary = await mkdtemp(join(site.folder, 'tmp-'));
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue, TMPDIR: temporary };
  const repo = await repository(join(site.folder, 'left'), { 'a.txt': 'a\n' });
  const before = await stateOf(repo);
  const agents = join(site.folder, 'agents');
  const daemons = join(site.folder, 'left-daemons');
  const first = await WorkerProcess.start(env, { cwd: site.folder });
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const go = join(site.folder, 'go');
  const shell = (id: string) =>
    `[ -e ${go} ] || { echo $$ >>${agents}; trap '' TERM; ${daemon(`${daemons}-${id}`)}; echo on >>a.txt; while :; do sleep 1; done; }; report 1`;
  const spec = await lightSpec(site, { a: shell('a'), b: shell('b') });
  const job = await jobs.start({
    ...spec,
    agent: { command: LIGHT_AGENT, workdir: repo, isolate: 'worktree' },
  });
  const pids = await until('the agents', async () => {
    const found = await pidsIn(agents);
    const started = [...(await pidsIn(`${daemons}-a`)), ...(await pidsIn(`${daemons}-b`))];
    return found.length === 2 && started.length === 2 && [...found, ...started];
  });
  const notes = join(site.folder, 'state/agent-jobs/runs');
  await until('both are noted', async () => {
    const texts = await Promise.all(
      (await readdir(notes)).map((name) => readFile(join(notes, name), 'utf8').catch(() => '')),
    );
    return texts.length === 2 && texts.every((text) => /"groups":\[\{/.test(text));
  });
  // Stopped first, or the worker would replace its guard.
  first.signal('SIGSTOP');
  process.kill(guardOf(first.pid, pids), 'SIGKILL');
  await first.kill();
  for (const pid of pids) assert.equal(await isGone(pid), false);
  assert.notDeepEqual(await stateOf(repo), before);
  await writeFile(go, '');
  // One was being written when they were killed, one again, and one before has never been whole.
  const [a, b] = (await readdir(notes)).map((name) => join(notes, name));
  await rename(a!, `${a!}.tmp`);
  await copyFile(b!, `${b!}.tmp`);
  const broken = join(notes, 'agent-jobs-broken.json.tmp');
  await writeFile(broken, '{');
  await utimes(broken, new Date(0), new Date(0));

  await WorkerProcess.start(env, { cwd: site.folder });
  // It is ready, so they are gone.
  for (const pid of LINUX ? pids : pids.slice(0, 2)) assert.ok(await isGone(pid), String(pid));
  assert.equal((await job.result()).verdict, 'succeeded');
  assert.deepEqual(await stateOf(repo), before);
  assert.deepEqual(
    (await readdir(temporary)).filter((name) => name.startsWith('agent-jobs-')),
    [],
  );
  assert.deepEqual(await readdir(notes), []);
  for (const pid of pids.slice(2)) if (!LINUX) process.kill(pid, 'SIGKILL');
});

test('a worker that is told to end its agents leaves no worktree, and its teardown is run', async () => {
  const taskQueue = `${site.taskQueue}-stopped`;
  const temporary = await mkdtemp(join(site.folder, 'tmp-'));
  const env = { ...site.processEnv, AGENT_JOBS_TASK_QUEUE: taskQueue, TMPDIR: temporary };
  const repo = await repository(join(site.folder, 'stopped'), { 'a.txt': 'a\n' });
  const before = await stateOf(repo);
  const pids = join(site.folder, 'stopped-agents');
  const torn = join(site.folder, 'stopped-torn');
  const worker = await WorkerProcess.start(env, {
    cwd: site.folder,
    args: ['--drain-seconds', '0'],
  });
  const jobs = new AgentJobs({ client: site.client, taskQueue, store: site.storeFolder });
  const spec = await lightSpec(site, { a: `echo on >>a.txt; echo $$ >>${pids}; sleep 1000` });
  const agent = { command: LIGHT_AGENT, workdir: repo, isolate: 'worktree' as const };
  const job = await jobs.start({ ...spec, agent: { ...agent, teardown: `touch ${torn}` } });
  const [pid] = await until('the agent', async () => {
    const found = await pidsIn(pids);
    return found.length > 0 && found;
  });
  worker.signal('SIGTERM');
  assert.equal(await worker.ended, 0);
  assert.ok(await isGone(pid!));
  assert.ok(existsSync(torn));
  assert.deepEqual(await stateOf(repo), before);
  assert.deepEqual(
    (await readdir(temporary)).filter((name) => name.startsWith('agent-jobs-')),
    [],
  );
  await job.cancel();
});

test('only what is known to be left is ended', async () => {
  const folder = join(site.folder, 'notes');
  const notes = await RunNotes.open(folder);
  const place = await mkdtemp(join(tmpdir(), 'agent-jobs-'));
  const note = await notes.begin({ folder: place, mark: 'AGENT_JOBS_ROW_FILE=/no/such' });
  // This process stands for one that got the ID of an agent: its start is another.
  await note.group(process.pid);
  const [name] = await readdir(folder);
  const path = join(folder, name!);
  const written = JSON.parse(await readFile(path, 'utf8')) as {
    host: object;
    worker: { started: string };
    groups: { started: string }[];
  };
  const warnings: string[] = [];
  const clear = async (changes: object) => {
    await writeFile(path, JSON.stringify({ ...written, ...changes }));
    await notes.clear((warning) => warnings.push(warning));
    return existsSync(path);
  };
  const gone = { ...written.worker, started: 'once' };
  const reused = written.groups.map((group) => ({ ...group, started: 'once' }));
  assert.equal(await clear({}), true, 'its worker runs');
  const elsewhere = { ...written.host, name: 'elsewhere' };
  assert.equal(await clear({ worker: gone, host: elsewhere }), true, 'it is of another host');
  const rebooted = { ...written.host, boot: 'before' };
  const other = join(site.folder, 'not-ours');
  await mkdir(other);
  assert.equal(await clear({ worker: gone, host: rebooted, folder: other }), true);
  assert.match(
    warnings.join(),
    /not-ours could not be removed: .*its name is not that of a folder/,
  );
  assert.ok(existsSync(other) && existsSync(place));
  assert.equal(await clear({ worker: gone, groups: reused }), false);
  assert.equal(existsSync(place), false);
});
