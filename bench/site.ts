/** What figures are measured on: a server on a file, a worker of each kind, and the agents of both. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { AgentJobs, type AgentSpec, type JobHandle } from '../src/client.js';
import { DevServer } from '../test/support/dev-server.js';
import { Running } from './processes.js';
import { within } from './within.js';

const CLOSE_SECONDS = 30;
/** No measured job is so slow, whatever else the machine does: fewer rows a second, and it hangs. */
const LEAST_ROWS_PER_SECOND = 1;
const LEAST_SECONDS = 120;

/** Tells the agent how long to take. */
export function itemId(row: number, seconds: (row: number) => number = () => 0): string {
  return `r${row}_${seconds(row)}`;
}

export interface BenchJob {
  rows: number;
  inFlight: number;
}

export class BenchSite {
  readonly server: DevServer;
  readonly client: Client;
  readonly jobs: AgentJobs;
  readonly folder: string;
  /** For programs that work on it: where the server and the store are. */
  readonly env: NodeJS.ProcessEnv;
  #worker: Running | undefined;
  #bare: Running | undefined;
  #agents: Running | undefined;
  /** What else is to end with it. */
  readonly #owned: (() => Promise<void>)[] = [];
  #jobs = 0;

  static async open(): Promise<BenchSite> {
    const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-bench-'));
    const server = await DevServer.start(folder);
    const site = new BenchSite(folder, server, await server.client());
    try {
      const [, bare] = await Promise.all([
        site.renewWorker(),
        Running.start('bare/worker.ts', [], site.env),
        site.renewAgents(),
      ]);
      site.#bare = bare;
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  private constructor(folder: string, server: DevServer, client: Client) {
    this.folder = folder;
    this.server = server;
    this.client = client;
    this.env = {
      ...process.env,
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: 'default',
      AGENT_JOBS_STORE: join(folder, 'store'),
      AGENT_JOBS_TASK_QUEUE: 'bench',
      XDG_STATE_HOME: join(folder, 'state'),
    };
    this.jobs = new AgentJobs({ client, taskQueue: 'bench', store: join(folder, 'store') });
  }

  /** Our worker, as it is installed. */
  get worker(): Running {
    return this.#worker!;
  }

  /** The bare minimum's. */
  get bare(): Running {
    return this.#bare!;
  }

  /** Has another process for our worker, which has done nothing yet. */
  async renewWorker(): Promise<void> {
    await this.#worker?.end();
    const args = ['worker', '--role', 'workflows'];
    this.#worker = await Running.start('../dist/cli/main.js', args, this.env);
  }

  /** Has another process for the agents of both. */
  async renewAgents(slots?: number): Promise<void> {
    await this.#agents?.end();
    const args = slots === undefined ? [] : [String(slots)];
    this.#agents = await Running.start('agents.ts', args, this.env);
  }

  /** Waits for what its processes do: not for ever, nor for one that has ended. */
  async within<T>(what: string, seconds: number, awaited: Promise<T>): Promise<T> {
    const lost = [this.worker, this.bare, this.#agents!].map((each) => each.lost);
    return within(what, seconds, Promise.race([awaited, ...lost]));
  }

  /** Runs a job of agents that take so long; returns its ID when it has succeeded. */
  async job({ seconds, ...job }: BenchJob & { seconds: (row: number) => number }): Promise<string> {
    const handle = await this.start({ ...job, seconds, agent: { command: ['none'] } });
    await this.succeeded(handle, job.rows);
    return handle.jobId;
  }

  /**
   * Waits for a job to succeed.
   * @throws if its verdict is another, with its failures; if it takes far too long.
   */
  async succeeded(handle: JobHandle, rows: number): Promise<void> {
    const result = this.within(`${handle.jobId} has ended`, patience(rows), handle.result());
    const { verdict, failures } = await result;
    if (verdict !== 'succeeded') {
      throw new Error(`${handle.jobId}: ${verdict}: ${JSON.stringify(failures)}`);
    }
  }

  /** Starts a job whose agents, if none is named, are who reports. */
  async start({
    rows,
    inFlight,
    seconds = () => 0,
    agent = { external: true },
  }: BenchJob & { seconds?: (row: number) => number; agent?: AgentSpec }): Promise<JobHandle> {
    const jobId = `ours-${(this.#jobs += 1)}`;
    const csv_path = this.inputOf(jobId);
    const lines = Array.from({ length: rows }, (_, row) => `${itemId(row, seconds)}\n`);
    await writeFile(csv_path, `id\n${lines.join('')}`);
    const spec = { csv_path, instruction: '{id}', id_column: 'id', agent };
    const started = this.jobs.start({ ...spec, max_concurrency: inFlight }, { jobId });
    return this.within(`${jobId} has started`, LEAST_SECONDS, started);
  }

  inputOf(jobId: string): string {
    return join(this.folder, `${jobId}.csv`);
  }

  /**
   * Starts the bare minimum's job; its end is to be awaited.
   * @param job.seconds what its agents take, by turns; undefined where it waits to be reported.
   */
  async bareJob({ rows, inFlight, seconds }: BenchJob & { seconds?: number[] }) {
    const jobId = `bare-${(this.#jobs += 1)}`;
    const started = this.client.workflow.start('bareParent', {
      workflowId: jobId,
      taskQueue: 'bench-bare',
      args: [jobId, rows, inFlight, ...(seconds === undefined ? [] : [seconds])],
    });
    const handle = await this.within(`${jobId} has started`, LEAST_SECONDS, started);
    const ended = () => this.within(`${jobId} has ended`, patience(rows), handle.result());
    return { jobId, ended };
  }

  /** Has something end with the site, if not before. */
  owns(end: () => Promise<void>): void {
    this.#owned.push(end);
  }

  async close(): Promise<void> {
    await Promise.all(this.#owned.map((end) => end()));
    const running = [this.#worker, this.#bare, this.#agents];
    await Promise.all(running.flatMap((each) => each?.end() ?? []));
    await this.server.kill();
    // Its calls under way need not be over.
    await within('the client has closed', CLOSE_SECONDS, this.client.connection.close()).catch(
      () => {},
    );
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Seconds after which so many rows hang. */
export function patience(rows: number): number {
  return LEAST_SECONDS + rows / LEAST_ROWS_PER_SECOND;
}
