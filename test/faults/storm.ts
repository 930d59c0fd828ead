/** A job on a server, workers and a client of its own, while faults strike all of them. */
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs } from '../../src/client.js';
import { type Ending, RunningCli } from '../support/cli.js';
import { DevServer } from '../support/dev-server.js';
import { LIGHT_AGENT } from '../support/light-agent.js';
import { Seeded } from '../support/seeded.js';
import { until } from '../support/site.js';
import { WorkerProcess } from '../support/worker-process.js';
import { Agents } from './agents.js';
import { MOST_KILLS } from './faults.js';
import { Fleet } from './fleet.js';
import { type LiveProcess, processesWith } from './live-processes.js';
import { type Row, clocksAreRight, drawRows, shellOf } from './rows.js';
import { SmallDisk } from './small-disk.js';
import { AnswerCutter } from './wire.js';

export interface StormOptions {
  seed: number;
  rows: number;
  inFlight: number;
  /** How long agents work, from and to. */
  seconds: [number, number];
}

const JOB = 'storm';
/** In the environment of all workers and of what they start, but not of agents. */
const WORKER_MARK = 'AGENT_JOBS_STORM';
const DISK_MEBIBYTES = 96;

export class Storm {
  readonly jobId = JOB;
  readonly folder: string;
  /** What workers keep of their runs, for those after them. */
  readonly notes: string;
  /** Where agents have their files. */
  readonly temporary: string;
  readonly output: string;
  readonly rows: Row[];
  readonly inFlight: number;
  readonly agents: Agents;
  /** The disk of the job store, where one can be mounted. */
  disk: SmallDisk | undefined;
  fleet!: Fleet;
  cutter!: AnswerCutter;
  readonly #random: Seeded;
  #server!: DevServer;
  #jobs!: AgentJobs;
  #client!: RunningCli;

  /** To be closed, also where the job fails. */
  static async open(options: StormOptions): Promise<Storm> {
    const storm = new Storm(await mkdtemp(join(tmpdir(), 'agent-jobs-storm-')), options);
    try {
      await storm.#start(options);
      return storm;
    } catch (error) {
      await storm.close();
      throw error;
    }
  }

  /** What cannot happen here, and why. */
  static get lacks(): string[] {
    const lacks = [];
    if (SmallDisk.unavailable !== false) lacks.push(`no full disk: ${SmallDisk.unavailable}`);
    if (clocksAreRight !== false) lacks.push(`no wrong clock: ${clocksAreRight}`);
    return lacks;
  }

  private constructor(folder: string, { seed, rows, inFlight, seconds }: StormOptions) {
    this.folder = folder;
    this.notes = join(folder, 'state/agent-jobs/runs');
    this.temporary = join(folder, 'tmp');
    this.agents = new Agents(JOB, this);
    this.output = join(folder, 'out.csv');
    this.inFlight = inFlight;
    this.#random = new Seeded(seed);
    this.rows = drawRows(this.#random, rows, seconds);
  }

  /** A source of numbers for one fault. */
  random(): Seeded {
    return new Seeded(this.#random.between(0, 2 ** 30));
  }

  /** The job, by a connection of its own: that of a server which is gone waits for long. */
  get job() {
    return this.#jobs.job(JOB);
  }

  get temporal() {
    return this.#jobs.client;
  }

  /** Rows that end without any doing of ours: the others wait until the faults are over. */
  get free(): number {
    return this.rows.length - this.inFlight;
  }

  /** Workers, and what they have started beside agents. */
  workers(): LiveProcess[] {
    return processesWith(`${WORKER_MARK}=${this.folder}`);
  }

  /** `kill -9` of the command that waits for the job; the next one finds it again, once a server is there. */
  async replaceClient(): Promise<void> {
    this.#client.process.kill('SIGKILL');
    await this.#client.ending;
    await until('a client follows the job', async () => {
      this.#follow(['watch', JOB]);
      const { process: client, ending } = this.#client;
      await Promise.race([once(client.stderr, 'data'), ending]);
      return this.#client.stderr.startsWith(`Job ${JOB}`);
    });
  }

  /** `kill -9` of the server, away for so long. */
  async restartServer(awayMs: number): Promise<void> {
    await this.#server.kill();
    await delay(awayMs);
    await this.#server.start();
    await this.#connect();
  }

  /** Lets the last rows end. @returns how the command ended that waits for the job. */
  async end(): Promise<Ending> {
    await writeFile(this.#path('over'), '');
    return this.#client.ending;
  }

  async close(): Promise<void> {
    this.#client?.process.kill('SIGKILL');
    WorkerProcess.killAll();
    this.fleet?.close();
    this.cutter?.close();
    await this.#jobs?.close();
    await this.#server?.kill();
    this.disk?.unmount();
    await this.agents.forget();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #start({ inFlight }: StormOptions): Promise<void> {
    await mkdir(this.temporary);
    if (SmallDisk.unavailable === false) {
      this.disk = await SmallDisk.at(this.#path('store'), DISK_MEBIBYTES);
    }
    this.#server = await DevServer.start(this.folder);
    await this.#connect();
    this.cutter = await AnswerCutter.listen();
    this.fleet = await Fleet.start(
      this.#server.address,
      { ...this.#env, [WORKER_MARK]: this.folder },
      { cwd: this.folder, concurrency: Math.ceil(inFlight / 2) },
    );
    const surroundings = {
      starts: this.#path('starts'),
      over: this.#path('over'),
      answers: this.#path('answers'),
      cutter: this.cutter.address,
    };
    const cells = this.rows.map((row, n) => [row.id, shellOf(row, surroundings, n >= this.free)]);
    await writeFile(this.#path('in.csv'), stringify([['id', 'shell'], ...cells]));
    this.#follow([
      ...['run', 'in.csv', '--instruction', '{shell}', '--id-column', 'id', '--job-id', JOB],
      ...['--max-concurrency', String(inFlight), '--max-attempts', String(MOST_KILLS + 1)],
      ...['--output', this.output, '--', ...LIGHT_AGENT],
    ]);
  }

  #follow(command: string[]): void {
    const env = { ...this.#env, TEMPORAL_ADDRESS: this.#server.address };
    this.#client = new RunningCli(command, { cwd: this.folder, env });
  }

  async #connect(): Promise<void> {
    await this.#jobs?.close();
    this.#jobs = new AgentJobs({
      client: await this.#server.client(),
      store: this.#path('store'),
      taskQueue: this.#env['AGENT_JOBS_TASK_QUEUE']!,
    });
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      TEMPORAL_NAMESPACE: 'default',
      AGENT_JOBS_STORE: this.#path('store'),
      AGENT_JOBS_TASK_QUEUE: 'storm',
      XDG_STATE_HOME: this.#path('state'),
      TMPDIR: this.temporary,
    };
  }

  #path(name: string): string {
    return join(this.folder, name);
  }
}
