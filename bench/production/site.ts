/** A server with two of our workers and the bench's agents, and a job on it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { parse } from 'csv-parse/sync';
import { AgentJobs } from '../../src/client.js';
import { runsOf } from '../../test/support/chain.js';
import { HistoryWalk } from '../history.js';
import { Running, cpuSeconds } from '../processes.js';
import { itemId, patience } from '../site.js';
import { sum } from '../statistics.js';
import { within } from '../within.js';

const WORKERS = 2;
/** Items whose histories are looked at: they are alike. */
const SAMPLE = 20;
/** Columns of the output that tell what became of a row, and not when or in which job. */
const RESULT = ['item_id', 'row_index', 'source_id', 'status', 'attempt_count', 'result_json'];

export interface Server {
  address: string;
  client(): Promise<Client>;
  serverPids: number[];
  databasePids: number[];
  /** What the database holds. */
  databaseBytes(): Promise<number>;
  kill(): Promise<void>;
}

export interface Pass {
  rowsPerSecond: number;
  /** CPU milliseconds for each row, of each worker. */
  workerCpu: number[];
  serverCpu: number;
  databaseCpu: number;
  /** Of the job itself, in all its runs. */
  eventsPerRow: number;
  /** Of an item's history. */
  itemBytes: number;
  /** Of the job's own histories. */
  jobBytesPerRow: number;
  /** By which the database has grown, with its indexes. */
  databaseBytesPerRow: number;
  /** In the job store: the row, its outcome, and the output. */
  storeBytesPerRow: number;
  /** Of what became of each row. */
  digest: string;
}

export class ProductionSite {
  readonly #server: Server;
  readonly #folder: string;
  readonly #store: string;
  readonly #client: Client;
  readonly #jobs: AgentJobs;
  readonly #workers: Running[] = [];
  #agents: Running | undefined;
  #passes = 0;

  static async open(server: Server, folder: string): Promise<ProductionSite> {
    const site = new ProductionSite(server, folder, await server.client());
    const env = {
      ...process.env,
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: 'default',
      AGENT_JOBS_STORE: site.#store,
      AGENT_JOBS_TASK_QUEUE: 'bench',
      XDG_STATE_HOME: join(folder, 'state'),
    };
    try {
      for (let n = 0; n < WORKERS; n += 1) {
        const args = ['worker', '--role', 'workflows'];
        site.#workers.push(await Running.start('../dist/cli/main.js', args, env));
      }
      site.#agents = await Running.start('agents.ts', [], env);
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  private constructor(server: Server, folder: string, client: Client) {
    this.#server = server;
    this.#folder = folder;
    this.#store = join(folder, 'store');
    this.#client = client;
    this.#jobs = new AgentJobs({ client, taskQueue: 'bench', store: this.#store });
  }

  /** Runs a job of instant agents. @throws unless each row is in its output once, in order, completed. */
  async pass(rows: number, inFlight: number): Promise<Pass> {
    const jobId = `job-${(this.#passes += 1)}`;
    const csv_path = join(this.#folder, `${jobId}.csv`);
    const ids = Array.from({ length: rows }, (_, row) => itemId(row));
    await writeFile(csv_path, ['id', ...ids, ''].join('\n'));
    const work = this.#workers.map(({ pid }) => [pid]);
    const groups = () => [...work, this.#server.serverPids, this.#server.databasePids];
    const bytesBefore = await this.#server.databaseBytes();
    const before = groups().map(cpuOf);
    const begun = performance.now();
    const job = await this.#jobs.start(
      {
        csv_path,
        instruction: '{id}',
        id_column: 'id',
        agent: { command: ['none'] },
        max_concurrency: inFlight,
      },
      { jobId },
    );
    const lost = [...this.#workers, this.#agents!].map((each) => each.lost);
    const ended = Promise.race([job.result(), ...lost]);
    const { verdict, output_csv_path } = await within(`${jobId} ends`, patience(rows), ended);
    const seconds = (performance.now() - begun) / 1000;
    const cpu = groups().map((pids, n) => (1000 * (cpuOf(pids) - before[n]!)) / rows);
    assert.equal(verdict, 'succeeded');
    const { events } = await new HistoryWalk(this.#client, jobId).now();
    const grown = (await this.#server.databaseBytes()) - bytesBefore;
    const jobRuns = await runsOf(this.#client, jobId);
    const runs = jobRuns.map((runId) => ({ workflowId: jobId, runId }));
    const items = ids.slice(0, SAMPLE).map((id) => ({ workflowId: `${jobId}/${id}` }));
    return {
      rowsPerSecond: rows / seconds,
      workerCpu: cpu.slice(0, WORKERS),
      serverCpu: cpu[WORKERS]!,
      databaseCpu: cpu[WORKERS + 1]!,
      eventsPerRow: events / rows,
      itemBytes: (await this.#historyBytes(items)) / items.length,
      jobBytesPerRow: (await this.#historyBytes(runs)) / rows,
      databaseBytesPerRow: grown / rows,
      storeBytesPerRow: (await bytesIn(join(this.#store, 'jobs', jobId))) / rows,
      digest: await checked(output_csv_path, ids),
    };
  }

  async #historyBytes(executions: { workflowId: string; runId?: string }[]): Promise<number> {
    let bytes = 0;
    for (const { workflowId, runId } of executions) {
      const { historySize } = await this.#client.workflow.getHandle(workflowId, runId).describe();
      bytes += historySize ?? 0;
    }
    return bytes;
  }

  async close(): Promise<void> {
    const running = [...this.#workers, this.#agents];
    await Promise.all(running.flatMap((each) => each?.end() ?? []));
    await this.#server.kill();
    // Its calls under way need not be over.
    await within('the client closes', 30, this.#client.connection.close()).catch(() => {});
  }
}

/** @returns a digest of the rows' results. @throws where a row is missing, double, or not completed. */
async function checked(path: string, ids: string[]): Promise<string> {
  const output: Record<string, string>[] = parse(await readFile(path), { columns: true });
  assert.deepEqual(
    output.map(({ item_id }) => item_id),
    ids,
  );
  for (const { status, result_json } of output) {
    assert.deepEqual({ status, result_json }, { status: 'completed', result_json: '1' });
  }
  const results = output.map((row) => RESULT.map((column) => row[column]));
  return createHash('sha256').update(JSON.stringify(results)).digest('hex');
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = files.map(
    async ({ parentPath, name }) => (await stat(join(parentPath, name))).size,
  );
  return sum(await Promise.all(sizes));
}

/** Of processes that may end meanwhile, as those of a database's connections do. */
function cpuOf(pids: number[]): number {
  return sum(
    pids.map((pid) => {
      try {
        return cpuSeconds(pid);
      } catch {
        return 0;
      }
    }),
  );
}
