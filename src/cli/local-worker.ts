import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hostProblem } from '../activities/host-programs.js';
import type { JobSpec } from '../client.js';
import { environmentWith, serverConnection, settings } from '../config.js';
import { DEFAULT_MAX_CONCURRENCY, isProcess } from '../job.js';
import { Problem, UsageError } from './errors.js';
import { makeLocalFolder, records, removeRecord, saveRecord } from './local-records.js';
import { loopbackPort } from './loopback.js';
import { note } from './output.js';
import {
  type RunningProcess,
  ended,
  isRunning,
  runningProcess,
  signal,
} from '../running-process.js';
import type { Connected } from './server.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const PREFIX = 'worker-';
const LOG_TAIL = 2000;
/** A worker drains for 60 s and may need another 30 where the server is away. */
const END_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 60_000;

/** A worker that `--local` has started. */
export interface LocalWorker extends RunningProcess {
  address: string;
  namespace: string;
  task_queue: string;
  store: string;
  /** Null where it has no keys. */
  keys_file: string | null;
  concurrency: number;
  log: string;
}

/** @throws {UsageError} where this host lacks the agent's program: each row would fail for it. */
export async function requireAgent({ agent }: JobSpec): Promise<void> {
  const problem = await hostProblem(agent);
  if (problem !== undefined) throw new UsageError(problem);
}

/**
 * Starts a worker in the background where nobody takes the job's work.
 * @throws {UsageError} where a local worker has another job store; {@link Problem} where none starts.
 */
export async function ensureWorker(site: Connected, spec: JobSpec): Promise<void> {
  const wanted = spec.max_concurrency ?? DEFAULT_MAX_CONCURRENCY;
  const there = (await localWorkers()).find(servesUs);
  if (there === undefined) {
    if ((await unattended(site, spec)) > 0) await startWorker(spec);
    return;
  }
  const { AGENT_JOBS_STORE: store, AGENT_JOBS_KEYS_FILE: keys = null } = settings();
  if (there.store !== store) {
    throw new UsageError(
      `the local worker has the job store ${there.store}, not ${store}: end it with "agent-jobs local down", or use its store with --store`,
    );
  }
  if (there.keys_file !== keys) {
    const named = (file: string | null) => (file === null ? 'no key file' : `the key file ${file}`);
    throw new UsageError(
      `the local worker has ${named(there.keys_file)}, this command ${named(keys)}: end it with "agent-jobs local down", or give this command what it has`,
    );
  }
  if (isProcess(spec.agent) && there.concurrency < wanted) {
    note(
      `The local worker runs ${there.concurrency} agents at once. For more: agent-jobs local down, then run again.`,
    );
  }
  // Another command may be starting it at this moment.
  const deadline = Date.now() + START_TIMEOUT_MS;
  while ((await unattended(site, spec)) > 0 && (await isRunning(there)) && Date.now() < deadline) {
    await delay(100);
  }
}

async function unattended({ jobs }: Connected, { agent }: JobSpec): Promise<number> {
  // Nobody but its user can start a worker for somebody's own activity.
  return (await jobs.unattended('activity' in agent ? undefined : agent)).length;
}

function servesUs({ address, namespace, task_queue }: LocalWorker): boolean {
  const ours = settings();
  return (
    loopbackPort(address) === loopbackPort(ours['TEMPORAL_ADDRESS'] ?? '') &&
    namespace === ours['TEMPORAL_NAMESPACE'] &&
    task_queue === ours['AGENT_JOBS_TASK_QUEUE']
  );
}

/**
 * Starts a worker in the background; returns when it is ready. Two commands that do so at the same
 * moment start two, which share the work.
 * @throws {Problem}
 */
async function startWorker(spec: JobSpec, say = note): Promise<void> {
  const { address, namespace } = serverConnection();
  const own = settings();
  const concurrency = Math.max(DEFAULT_MAX_CONCURRENCY, spec.max_concurrency ?? 0);
  say(`Starting a worker in the background, for ${concurrency} agents at once …`);
  const log = await freshLog();
  const file = await open(log, 'a', 0o600);
  const child = spawn(process.execPath, [MAIN, 'worker', '--concurrency', String(concurrency)], {
    detached: true,
    // The folder of this command may be gone while the worker still runs.
    cwd: '/',
    env: environmentWith(own),
    stdio: ['ignore', file.fd, file.fd, 'ipc'],
  });
  await file.close();
  const { pid } = child;
  const running = pid === undefined ? undefined : await runningProcess(pid);
  const name = `${PREFIX}${pid}`;
  if (running !== undefined) {
    const worker: LocalWorker = {
      ...running,
      address,
      namespace,
      task_queue: own['AGENT_JOBS_TASK_QUEUE']!,
      store: own['AGENT_JOBS_STORE']!,
      keys_file: own['AGENT_JOBS_KEYS_FILE'] ?? null,
      concurrency,
      log,
    };
    await saveRecord(name, worker);
  }
  const over = AbortSignal.timeout(START_TIMEOUT_MS);
  const ready = await Promise.race([
    once(child, 'message', { signal: over }).then(() => true),
    once(child, 'exit', { signal: over }).then(() => false),
  ]).catch(() => false);
  if (child.connected) child.disconnect();
  child.unref();
  if (ready) return;
  if (running !== undefined) await signal(running, 'SIGTERM');
  await removeRecord(name);
  const tail = (await readFile(log, 'utf8')).slice(-LOG_TAIL).trim();
  throw new Problem(`the worker did not start. The end of its log ${log}:\n${tail}`);
}

/** Starts a worker in place of one that the server lists and that does not answer. @throws {Problem} */
export async function replaceWorker(spec: JobSpec, say: (text: string) => void): Promise<void> {
  say('The worker that the server lists does not answer.');
  await startWorker(spec, say);
}

/** The workers that `--local` has started and that still run. */
export async function localWorkers(): Promise<LocalWorker[]> {
  const workers: LocalWorker[] = [];
  for (const [name, worker] of await records<LocalWorker>(PREFIX)) {
    if (await isRunning(worker)) workers.push(worker);
    else await removeRecord(name);
  }
  return workers;
}

/**
 * Ends a worker once its agents have finished, or the time for that is over.
 * @param hurry ends the agents as well when it aborts.
 * @throws {Problem} where it does not end.
 */
export async function endWorker(worker: LocalWorker, hurry: AbortSignal): Promise<void> {
  await signal(worker, 'SIGTERM');
  hurry.addEventListener('abort', () => void signal(worker, 'SIGTERM'));
  if (!(await ended(worker, END_TIMEOUT_MS))) {
    throw new Problem(`the worker (process ${worker.pid}) does not end: kill -9 ${worker.pid}`);
  }
  await removeRecord(`${PREFIX}${worker.pid}`);
}

/** One log for all of them; that of earlier ones is kept until the next time. */
async function freshLog(): Promise<string> {
  const log = join(await makeLocalFolder(), 'worker.log');
  if ((await localWorkers()).length === 0) await rename(log, `${log}.old`).catch(() => {});
  return log;
}
