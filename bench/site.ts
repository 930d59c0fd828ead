/** What all figures are measured on: a server on a file, a worker of each kind, and the agents of both. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { AgentJobs, type AgentSpec, type JobHandle } from '../src/client.js';
import { DevServer } from '../test/support/dev-server.js';
import { Running } from './processes.js';

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
  /** Our worker, as it is installed. */
  readonly worker: Running;
  readonly bare: Running;
  readonly #agents: Running;
  #jobs = 0;

  static async open(): Promise<BenchSite> {
    const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-bench-'));
    const server = await DevServer.start(folder);
    const env = {
      ...process.env,
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: 'default',
      AGENT_JOBS_STORE: join(folder, 'store'),
      AGENT_JOBS_TASK_QUEUE: 'bench',
    };
    const [worker, bare, agents] = await Promise.all([
      Running.start('../dist/cli/main.js', ['worker', '--role', 'workflows'], env),
      Running.start('bare/worker.ts', [], env),
      Running.start('agents.ts', [], env),
    ]);
    return new BenchSite(folder, server, await server.client(), worker, bare, agents);
  }

  private constructor(
    folder: string,
    server: DevServer,
    client: Client,
    worker: Running,
    bare: Running,
    agents: Running,
  ) {
    this.folder = folder;
    this.server = server;
    this.client = client;
    this.worker = worker;
    this.bare = bare;
    this.#agents = agents;
    this.jobs = new AgentJobs({ client, taskQueue: 'bench', store: join(folder, 'store') });
  }

  /** A job of agents that take so long; returns its ID when it has succeeded. */
  async job({ seconds, ...job }: BenchJob & { seconds: (row: number) => number }): Promise<string> {
    const agent = { command: ['none'] };
    const handle = await this.start({ ...job, seconds, agent });
    const { verdict, failures } = await handle.result();
    if (verdict !== 'succeeded') {
      throw new Error(`${handle.jobId}: ${verdict}: ${JSON.stringify(failures)}`);
    }
    return handle.jobId;
  }

  /** Starts a job whose agents, if none is named, are who reports. */
  async start({
    rows,
    inFlight,
    seconds = () => 0,
    agent = { external: true },
  }: BenchJob & { seconds?: (row: number) => number; agent?: AgentSpec }): Promise<JobHandle> {
    const jobId = `ours-${(this.#jobs += 1)}`;
    const csv_path = join(this.folder, `${jobId}.csv`);
    const lines = Array.from({ length: rows }, (_, row) => `${itemId(row, seconds)}\n`);
    await writeFile(csv_path, `id\n${lines.join('')}`);
    const spec = { csv_path, instruction: '{id}', id_column: 'id', agent };
    return this.jobs.start({ ...spec, max_concurrency: inFlight }, { jobId });
  }

  async bareJob({ rows, inFlight, external }: BenchJob & { external: boolean }) {
    const jobId = `bare-${(this.#jobs += 1)}`;
    const handle = await this.client.workflow.start('bareParent', {
      workflowId: jobId,
      taskQueue: 'bench-bare',
      args: [jobId, rows, inFlight, external],
    });
    return { jobId, handle };
  }

  async close(): Promise<void> {
    await Promise.all([this.worker.end(), this.bare.end(), this.#agents.end()]);
    await this.client.connection.close();
    await this.server.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
