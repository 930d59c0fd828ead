/**
 * The real Codex on trivial rows, with a mock model that answers at once: as our hosted agents, and by the
 * fan-out that Codex had of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { codexSettings } from '../test/agents/mocked.js';
import type { ModelServer } from '../test/agents/model-server.js';
import { installedFanOutCodex, installedPrograms } from '../test/agents/programs.js';
import { startResponsesModel } from '../test/agents/responses-model.js';
import type { Step } from '../test/agents/script.js';
import { Running } from './processes.js';
import type { BenchSite } from './site.js';

export interface FanOut {
  /** Over the time from the start of the command to the last report. */
  rowsPerSecond: number;
  /** Rows for which the model has reported. */
  reported: number;
  /** Whether it had to be ended, long after the last report. */
  hung: boolean;
}

/** A run with no further report for so long has made its last one. */
const QUIET_SECONDS = 60;
/** The same once all rows are reported. */
const EXIT_SECONDS = 30;
const LOOK_MS = 100;
const NO_SNAPSHOT = ['--disable', 'shell_snapshot'];
const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

export class CodexBench {
  readonly #site: BenchSite;
  readonly #model: ModelServer;
  readonly #reports: Map<string, number>;
  readonly #worker: Running;
  readonly #env: NodeJS.ProcessEnv;
  readonly #fanOut: { program: string; env: NodeJS.ProcessEnv };
  #runs = 0;
  #running: ChildProcess | undefined;
  #closed = false;

  /** Installs both programs, unless they are. */
  static async open(site: BenchSite, inFlight: number): Promise<CodexBench> {
    const [{ codex }, fanOutCodex] = [await installedPrograms(), await installedFanOutCodex()];
    const reports = new Map<string, number>();
    const model = await startResponsesModel((step) => note(step, reports));
    const env = {
      ...site.env,
      AGENT_JOBS_TASK_QUEUE: 'bench-codex',
      PATH: [dirname(codex), process.env['PATH']].join(delimiter),
      CODEX_HOME: await codexHome(join(site.folder, 'codex-home'), model),
      OPENAI_API_KEY: 'mock',
    };
    // The newer version takes the tables of the fan-out out of the home of both.
    const fanOutHome = await codexHome(join(site.folder, 'fan-out-home'), model);
    const args = ['worker', '--concurrency', String(inFlight)];
    const worker = await Running.start('../dist/cli/main.js', args, env);
    const fanOut = { program: fanOutCodex, env: { ...env, CODEX_HOME: fanOutHome } };
    const bench = new CodexBench(site, model, reports, worker, env, fanOut);
    site.owns(() => bench.close());
    return bench;
  }

  private constructor(
    site: BenchSite,
    model: ModelServer,
    reports: Map<string, number>,
    worker: Running,
    env: NodeJS.ProcessEnv,
    fanOut: { program: string; env: NodeJS.ProcessEnv },
  ) {
    this.#site = site;
    this.#model = model;
    this.#reports = reports;
    this.#worker = worker;
    this.#env = env;
    this.#fanOut = fanOut;
  }

  /** Our `run --agent codex`. @throws if it does not complete every row. */
  async hosted(rows: number, inFlight: number, snapshot: boolean): Promise<FanOut> {
    const { folder, csv } = await this.#input(rows);
    const output = join(folder, 'out.jsonl');
    const args = ['run', csv, '--id-column', 'id', '--instruction', 'MODEL {directive}'];
    args.push('--max-concurrency', String(inFlight), '--agent', 'codex', '--workdir', folder);
    args.push('--output', output, ...(snapshot ? [] : ['--', ...NO_SNAPSHOT]));
    const run = await this.#measured(rows, folder, this.#env, [process.execPath, CLI, ...args]);
    const lines = await readFile(output, 'utf8').catch(() => '');
    const completed = lines.split('"status":"completed"').length - 1;
    if (!run.hung && completed !== rows) {
      throw new Error(`--agent codex has completed ${completed} of ${rows} rows: ${run.said}`);
    }
    return run;
  }

  /** The fan-out that Codex had of its own. */
  async builtIn(rows: number, inFlight: number, snapshot: boolean): Promise<FanOut> {
    const { folder, csv } = await this.#input(rows);
    const call = {
      csv_path: csv,
      id_column: 'id',
      instruction: 'MODEL {directive}',
      output_csv_path: join(folder, 'out.csv'),
      output_schema: {
        type: 'object',
        properties: { of: { type: 'string' } },
        required: ['of'],
        additionalProperties: false,
      },
      max_concurrency: inFlight,
    };
    const args = ['exec', '--skip-git-repo-check', '--json'];
    args.push('--enable', 'enable_fanout', '--enable', 'multi_agent');
    args.push('-c', `agents.max_threads=${inFlight}`, ...(snapshot ? [] : NO_SNAPSHOT), '-');
    const prompt = `MODEL call spawn_agents_on_csv ${JSON.stringify(call)}`;
    return this.#measured(rows, folder, this.#fanOut.env, [this.#fanOut.program, ...args], prompt);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running) killGroup(this.#running);
    await this.#worker.end();
    await this.#model.close();
  }

  async #input(rows: number): Promise<{ folder: string; csv: string }> {
    const folder = join(this.#site.folder, `codex-${(this.#runs += 1)}`);
    await mkdir(folder);
    const ids = Array.from({ length: rows }, (_, row) => `r${row}`);
    const lines = ids.map((id) => `${id},"report {""of"":""${id}""}"\n`);
    const csv = join(folder, 'rows.csv');
    await writeFile(csv, `id,directive\n${lines.join('')}`);
    return { folder, csv };
  }

  /** Runs a command until it ends or hangs. */
  async #measured(
    rows: number,
    cwd: string,
    env: NodeJS.ProcessEnv,
    [program, ...args]: [string, ...string[]],
    prompt = '',
  ) {
    this.#reports.clear();
    const begun = performance.now();
    const child = spawn(program, args, {
      cwd,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#running = child;
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)));
    }
    child.stdin.on('error', () => {}).end(prompt);
    let over = false;
    const ended = new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      // Its streams may outlast it, with a shell that it has started.
      child.once('exit', () => resolve());
    }).finally(() => (over = true));
    const hangs = () => {
      const patience = this.#reports.size < rows ? QUIET_SECONDS : EXIT_SECONDS;
      return performance.now() - this.#lastReport(begun) > 1000 * patience;
    };
    try {
      while (!over && !hangs()) {
        await Promise.race([ended, delay(LOOK_MS), this.#worker.lost]);
      }
    } finally {
      killGroup(child);
      this.#running = undefined;
    }
    const reported = this.#reports.size;
    if (reported === 0) throw new Error(`${program} has reported no row: ${said}`);
    const seconds = (this.#lastReport(begun) - begun) / 1000;
    return { rowsPerSecond: reported / seconds, reported, hung: !over, said };
  }

  /** When the last report was made; if none was, when the run began. */
  #lastReport(begun: number): number {
    return Math.max(begun, ...this.#reports.values());
  }
}

/** Makes a home of Codex that asks a model. @returns its path. */
async function codexHome(path: string, model: ModelServer): Promise<string> {
  await mkdir(path);
  await writeFile(join(path, 'config.toml'), codexSettings(model));
  return path;
}

/** When the model reported a row for the first time. */
function note(step: Step, reports: Map<string, number>): void {
  if (step.kind !== 'call' || step.tool !== 'report_agent_job_result') return;
  const item = String(step.args['item_id']);
  if (!reports.has(item)) reports.set(item, performance.now());
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
