/** A real server with what a test needs around it: a folder, a job store, workers, a client. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs, type JobHandle, type JobSpec, type JobStatus } from '../../src/client.js';
import { dataConverterFor } from '../../src/data-converter.js';
import { type Keys, parseKeys } from '../../src/encryption/keys.js';
import {
  type AgentJobsWorker,
  type AgentJobsWorkerOptions,
  startWorker,
} from '../../src/worker.js';
import { freePort } from './free-port.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The command of the tests' agent, which does what its prompt says. */
export const AGENT = [process.execPath, join(ROOT, 'test/support/agent.mjs')];

/** A step of the tests' agent; see agent.mjs. */
export type Step = [step: string, ...args: unknown[]];

let cli: string | undefined;
/** The path of the Temporal CLI. */
export function temporalCli(): string {
  cli ??= execFileSync(join(ROOT, 'temporal-dev.sh'), ['path'], { encoding: 'utf8' }).trim();
  return cli;
}

let quiet = false;
export function quietRuntime(): void {
  if (quiet) return;
  quiet = true;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('ERROR'),
    // A machine under load makes it warn of slow workflow tasks.
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}

export interface SiteOptions {
  /** Dynamic configuration of the server, e.g. `{'limit.historyCount.suggestContinueAsNew': 100}`. */
  dynamicConfig?: Record<string, string | number>;
  /** What a key file holds, to have its client, workers and processes encrypt. */
  keys?: string;
  /** Has its server serve the Web UI. */
  ui?: true;
  /**
   * Has its server on a file. In memory and under much load, one did not know its own namespace any more: SQLite drops
   * such a database with its last connection, which would explain it.
   */
  onDisk?: true;
}

/** The SDK gives a server 5 s to serve, which is little on a machine under load. */
const SERVER_TRIES = 5;

async function localServer(
  options: Parameters<typeof TestWorkflowEnvironment.createLocal>[0],
): Promise<TestWorkflowEnvironment> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await TestWorkflowEnvironment.createLocal(options);
    } catch (error) {
      if (tried === SERVER_TRIES) throw error;
    }
  }
}

export class Site {
  readonly env: TestWorkflowEnvironment;
  readonly client: Client;
  readonly jobs: AgentJobs;
  readonly folder: string;
  readonly storeFolder: string;
  readonly taskQueue: string;
  readonly keysFile: string | undefined;
  readonly keys: Keys | undefined;
  /** Of the Web UI, where there is one. */
  readonly uiUrl: string | undefined;
  readonly #workers: AgentJobsWorker[] = [];

  /** Starts a server of its own; to be closed in the tests' `after`. */
  static async open(options: SiteOptions = {}): Promise<Site> {
    quietRuntime();
    const config = Object.entries(options.dynamicConfig ?? {});
    const uiPort = options.ui ? await freePort() : undefined;
    const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-test-'));
    const env = await localServer({
      server: {
        executable: { type: 'existing-path', path: temporalCli() },
        searchAttributes: [],
        ...(uiPort !== undefined && { uiPort }),
        ...(options.onDisk && { dbFilename: join(folder, 'server.db') }),
        // Slow operations are news to it.
        log: { format: 'pretty', level: 'never' },
        extraArgs: [
          '--search-attribute',
          'AgentJobId=Keyword',
          '--search-attribute',
          'AgentJobVerdict=Keyword',
          ...(options.onDisk ? ['--sqlite-pragma', 'journal_mode=WAL'] : []),
          ...config.flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]),
        ],
      },
    });
    const { keys } = options;
    if (keys !== undefined) await writeFile(join(folder, 'keys'), keys, { mode: 0o600 });
    return new Site(
      env,
      folder,
      keys,
      uiPort === undefined ? undefined : `http://127.0.0.1:${uiPort}`,
    );
  }

  private constructor(
    env: TestWorkflowEnvironment,
    folder: string,
    keys: string | undefined,
    uiUrl: string | undefined,
  ) {
    this.uiUrl = uiUrl;
    this.keys = keys === undefined ? undefined : parseKeys(keys);
    this.keysFile = keys === undefined ? undefined : join(folder, 'keys');
    this.env = env;
    this.folder = folder;
    this.storeFolder = join(folder, 'store');
    this.taskQueue = `test-${process.pid}`;
    this.client = new Client({
      connection: env.connection,
      namespace: 'default',
      dataConverter: dataConverterFor(this.keys),
    });
    this.jobs = new AgentJobs({
      client: this.client,
      taskQueue: this.taskQueue,
      store: this.storeFolder,
      ...(this.keysFile !== undefined && { keysFile: this.keysFile }),
    });
  }

  /** A worker in this process; shut down with the site. */
  async worker(options: Partial<AgentJobsWorkerOptions> = {}): Promise<AgentJobsWorker> {
    const worker = await startWorker({
      connection: { address: this.env.address },
      namespace: 'default',
      taskQueue: this.taskQueue,
      store: this.storeFolder,
      notesFolder: join(this.folder, 'worker-notes'),
      concurrency: 16,
      drainSeconds: 1,
      keys: this.keys,
      ...options,
    });
    this.#workers.push(worker);
    return worker;
  }

  /** Environment of processes that are to work on this site: the CLI, `temporal`. */
  get processEnv(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      TEMPORAL_ADDRESS: this.env.address,
      TEMPORAL_NAMESPACE: 'default',
      AGENT_JOBS_STORE: this.storeFolder,
      // Notes of its workers, and what --local starts.
      XDG_STATE_HOME: join(this.folder, 'state'),
      AGENT_JOBS_TASK_QUEUE: this.taskQueue,
      ...(this.keysFile !== undefined && { AGENT_JOBS_KEYS_FILE: this.keysFile }),
    };
  }

  /** Writes a file into the site's folder. @returns its path. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  /** A job's spec over rows of steps: columns `id` (`a`, …) and `steps`. */
  async spec(rows: Record<string, Step[]>, spec: Partial<JobSpec> = {}): Promise<JobSpec> {
    const cells = Object.entries(rows).map(([id, steps]) => [id, JSON.stringify(steps)]);
    const name = `in-${Math.random().toString(36).slice(2, 10)}.csv`;
    return {
      csv_path: await this.file(name, stringify([['id', 'steps'], ...cells])),
      instruction: '{steps}',
      id_column: 'id',
      agent: { command: AGENT },
      report_grace_seconds: 1,
      ...spec,
    };
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.shutdown();
    await Promise.allSettled(this.#workers.map((worker) => worker.done));
    await this.env.teardown();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Reads an output CSV: a record per line. */
export async function readOutput(path: string): Promise<Record<string, string>[]> {
  return parse(await readFile(path, 'utf8'), { columns: true });
}

/** A job's status by its own account, which a machine under load may not give at the first time of asking. */
export function statusOf(job: JobHandle): Promise<JobStatus> {
  return until(`${job.jobId} tells its status`, async () => {
    const status = await job.status();
    return status.state !== 'unreachable' && status;
  });
}

/** Waits until the condition gives a value, and fails naming what was waited for. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(20);
  }
}
