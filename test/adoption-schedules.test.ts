/**
 * Continue-as-new by random schedules: jobs that go through dozens of runs while their items are
 * reported, terminated, cancelled, deleted or left to time out, the jobs stopped or cancelled, and the
 * workers restarted and killed. Whatever comes together, each row is counted exactly once, for a reason.
 *
 * AGENT_JOBS_SEED=<n> repeats one schedule of the short form; AGENT_JOBS_LONG=1 runs more and longer ones.
 */
import assert from 'node:assert/strict';
import { after, before, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { JobHandle } from '../src/client.js';
import { itemWorkflowId, progressQuery, reportSignal } from '../src/messages.js';
import { itemsOf, noneRunning, runsOf } from './support/chain.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Seeded } from './support/seeded.js';
import { Site, readOutput } from './support/site.js';
import { WorkerProcess } from './support/worker-process.js';

const LONG = process.env['AGENT_JOBS_LONG'] === '1';
const SEED = process.env['AGENT_JOBS_SEED'];
const ROUNDS = SEED !== undefined ? [Number(SEED)] : LONG ? [1, 2, 3, 4, 5, 6, 7, 8] : [1];
/** Jobs of one schedule, which share its workers. */
const JOBS = LONG ? 8 : 6;
const ROWS = LONG ? 150 : 50;
/** Events of a run: a few items each. */
const SUGGEST_AT = 25;
/** What is done between two losses of a worker. */
const ACTIONS_PER_LOSS = LONG ? 150 : 90;
/** Time for items that nobody reports, in jobs that have such. */
const DEADLINE_SECONDS = 4;

/** For one job; a lost worker costs half a minute. */
const MAX_JOB_MS = 400_000;

let site: Site;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': SUGGEST_AT },
  });
});
after(async () => {
  WorkerProcess.killAll();
  await site.close();
});

type Ending = 'none' | 'stop' | 'cancel';

/** What was done to a row, as the server has acknowledged it. */
interface Done {
  /** The first result that was reported to each execution, by its run ID. */
  reported: Map<string, number>;
  terminated: boolean;
  cancelled: boolean;
  deleted: boolean;
  /** Nobody reports it, so that its time runs out. */
  left: boolean;
}

/** One job and what happens to it. */
class Schedule {
  readonly seed: number;
  readonly ending: Ending;
  readonly hasDeadlines: boolean;
  readonly rows: Done[];
  /** What has been done so far, to be read where the test fails. */
  readonly journal: string[] = [];
  job!: JobHandle;
  readonly #random: Seeded;
  readonly #endAt: number;
  readonly #onAction: () => void;
  #ended = false;
  #next = 0;

  constructor(seed: number, onAction: () => void) {
    this.seed = seed;
    this.#random = new Seeded(seed);
    this.#onAction = onAction;
    // Every kind of end is in each round, whatever the seed.
    this.ending = (['none', 'none', 'stop', 'none', 'cancel', 'none'] as const)[seed % 6]!;
    this.hasDeadlines = seed % 2 === 1;
    this.#endAt = this.#random.between(ROWS / 2, ROWS - 10);
    this.rows = Array.from({ length: ROWS }, () => ({
      reported: new Map<string, number>(),
      terminated: false,
      cancelled: false,
      deleted: false,
      left: this.hasDeadlines && this.#random.next() < 0.06,
    }));
  }

  async run(): Promise<void> {
    const begun = Date.now();
    const spec = await lightSpec(
      site,
      rowsOf(ROWS, () => ''),
      {
        agent: { external: true },
        max_concurrency: this.#random.between(3, 10),
        max_runtime_seconds: this.hasDeadlines ? DEADLINE_SECONDS : 600,
      },
    );
    this.job = await site.jobs.start(spec, { jobId: `schedule-${this.seed}` });
    const closed = this.#handle
      .result()
      .catch(() => {})
      .finally(() => (this.#ended = true));
    while (!this.#ended) {
      if (Date.now() - begun > MAX_JOB_MS) {
        const progress = await this.#handle.query(progressQuery);
        throw new Error(
          `job ${this.seed} does not end, from row ${this.#next}: ${JSON.stringify(progress)}; ${this.journal.join(', ')}`,
        );
      }
      if (!(await this.#act())) await delay(50);
    }
    await closed;
  }

  get #handle() {
    return site.client.workflow.getHandle(this.job.jobId);
  }

  /** @returns whether there was anything to do. */
  async #act(): Promise<boolean> {
    let acted = false;
    const window = this.#random.between(2, 8);
    // One that was deleted is started again, unless its end was seen before.
    const open = [...this.rows.keys()].filter(
      (row) => (row >= this.#next && row < this.#next + window) || this.rows[row]!.deleted,
    );
    for (const row of open.filter(() => this.#random.next() < 0.7)) {
      const item = await site.client.workflow
        .getHandle(itemWorkflowId(this.job.jobId, rowId(row)))
        .describe()
        .catch(ignoreNotFound);
      if (item?.status.name === 'RUNNING') {
        const did = await this.#actOn(row, item.runId).catch(ignoreNotFound);
        if (did === undefined) continue;
        this.journal.push(`${did} ${row}`);
        this.#onAction();
        acted = true;
      } else if (row === this.#next && (item !== undefined || this.rows[row]!.deleted)) {
        this.#next += 1;
        acted = true;
      }
    }
    if (this.#next >= this.#endAt) await this.#endJob();
    return acted;
  }

  /** @throws WorkflowNotFoundError where it has closed meanwhile. */
  async #actOn(row: number, runId: string): Promise<string | undefined> {
    const done = this.rows[row]!;
    const workflowId = itemWorkflowId(this.job.jobId, rowId(row));
    const item = site.client.workflow.getHandle(workflowId, runId);
    if (done.left || done.reported.has(runId)) return undefined;
    const chance = this.#random.next();
    if (chance < 0.07) {
      await item.terminate('by the schedule');
      done.terminated = true;
      return 'terminate';
    }
    if (chance < 0.14) {
      await item.cancel();
      done.cancelled = true;
      return 'cancel';
    }
    if (chance < 0.17 && !done.deleted) {
      done.deleted = true;
      await site.client.workflowService.deleteWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId, runId },
      });
      return 'delete';
    }
    await item.signal(reportSignal, { result: row });
    done.reported.set(runId, row);
    if (chance < 0.8) return 'report';
    // The first one counts.
    await item.signal(reportSignal, { result: -1 }).catch(ignoreNotFound);
    return 'report twice';
  }

  async #endJob(): Promise<void> {
    if (this.ending === 'none' || this.journal.includes(this.ending)) return;
    await (this.ending === 'stop' ? this.job.stop() : this.job.cancel()).catch(ignoreNotFound);
    this.journal.push(this.ending);
  }

  /** Each row is counted once, by what the server says of its item and for what was done to it. */
  async check(): Promise<void> {
    const { jobId } = this.job;
    await noneRunning(site.client, jobId);
    const summary = await this.job.result();
    assert.equal(summary.output_error, null);
    const output = await readOutput(summary.output_csv_path);
    assert.deepEqual(
      output.map(({ item_id, row_index }) => [item_id, row_index]),
      this.rows.map((_, row) => [rowId(row), String(row)]),
    );
    const counted = (status: string) => output.filter((row) => row['status'] === status).length;
    const { total, completed, failed, cancelled, pending } = summary;
    assert.deepEqual(
      { total, completed, failed, cancelled, pending },
      {
        total: ROWS,
        completed: counted('completed'),
        failed: counted('failed'),
        cancelled: counted('cancelled'),
        pending: counted('pending'),
      },
    );
    assert.equal(completed + failed + cancelled + pending, ROWS);

    const items = await itemsOf(site.client, jobId);
    for (const [row, { status, result_json, last_error }] of output.entries()) {
      const of = `row ${row}: ${status} ${result_json} ${last_error}`;
      const done = this.rows[row]!;
      const known = items.filter(
        ({ workflowId }) => workflowId === itemWorkflowId(jobId, rowId(row)),
      );
      if (!done.deleted) assert.equal(known.length, status === 'pending' ? 0 : 1, of);
      const close = known[0]?.status.name;
      switch (status) {
        case 'completed':
          assert.equal(result_json, String(row), of);
          assert.ok(done.reported.size > 0, of);
          if (!done.deleted) assert.equal(close, 'COMPLETED', of);
          break;
        case 'cancelled': {
          const byHand = last_error!.startsWith('terminated: ');
          if (byHand) assert.ok(done.terminated || done.deleted, of);
          else assert.ok(done.cancelled || this.ending === 'cancel', of);
          if (!done.deleted) assert.equal(close, byHand ? 'TERMINATED' : 'CANCELLED', of);
          break;
        }
        case 'failed':
          assert.ok(this.hasDeadlines, of);
          assert.equal(last_error, `timed_out: no report within ${DEADLINE_SECONDS} s`, of);
          // Also on a busy machine: a report that the server has taken is read before the deadline.
          if (!done.deleted) assert.equal(done.reported.size, 0, of);
          if (!done.deleted) assert.equal(close, 'FAILED', of);
          break;
        default:
          assert.equal(status, 'pending', of);
          assert.notEqual(this.ending, 'none', of);
      }
    }
  }
}

/** Two workers, one of which is lost or restarted whenever so much has been done. */
class Losses {
  readonly journal: string[] = [];
  readonly #random: Seeded;
  readonly #workers: WorkerProcess[] = [];
  #actions = 0;
  #at: number;
  #going: Promise<void> = Promise.resolve();

  constructor(seed: number) {
    this.#random = new Seeded(seed);
    this.#at = this.#draw();
  }

  async start(): Promise<void> {
    this.#workers.push(...(await Promise.all([this.#worker(), this.#worker()])));
  }

  acted(): void {
    this.#actions += 1;
    if (this.#actions < this.#at) return;
    this.#at = this.#actions + this.#draw();
    this.#going = this.#going.then(() => this.#lose());
  }

  async end(): Promise<void> {
    await this.#going;
    await Promise.all(this.#workers.splice(0).map((worker) => worker.kill()));
  }

  #draw(): number {
    return this.#random.between(ACTIONS_PER_LOSS / 2, (ACTIONS_PER_LOSS * 3) / 2);
  }

  #worker(): Promise<WorkerProcess> {
    return WorkerProcess.restart(site.processEnv, {
      cwd: site.folder,
      args: ['--drain-seconds', '1'],
    });
  }

  async #lose(): Promise<void> {
    const lost = this.#workers.shift()!;
    const way = this.journal.length % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
    this.journal.push(`${way} after ${this.#actions} actions`);
    lost.signal(way);
    await lost.ended;
    this.#workers.push(await this.#worker());
  }
}

for (const round of ROUNDS) {
  it(`counts each row once, schedule ${round}`, { timeout: 600_000 }, (t) => storm(t, round));
}

async function storm(t: TestContext, round: number): Promise<void> {
  const losses = new Losses(round);
  await losses.start();
  const schedules = Array.from(
    { length: JOBS },
    (_, n) => new Schedule(round * 100 + n, () => losses.acted()),
  );
  try {
    await Promise.all(schedules.map((schedule) => schedule.run()));
    let runs = 0;
    for (const schedule of schedules) {
      try {
        await schedule.check();
      } catch (error) {
        t.diagnostic(`job ${schedule.seed}: ${schedule.journal.join(', ')}`);
        throw error;
      }
      runs += (await runsOf(site.client, schedule.job.jobId)).length;
    }
    t.diagnostic(`${runs} runs of ${JOBS} jobs; ${losses.journal.join(', ')}`);
    assert.ok(runs >= 4 * JOBS, `${runs} runs`);
    assert.ok(losses.journal.length > 0, 'no worker was lost');
  } catch (error) {
    t.diagnostic(`losses: ${losses.journal.join(', ')}`);
    t.diagnostic(`to repeat: AGENT_JOBS_SEED=${round}${LONG ? ' AGENT_JOBS_LONG=1' : ''}`);
    throw error;
  } finally {
    await losses.end();
  }
}

function rowId(row: number): string {
  return `r${String(row).padStart(3, '0')}`;
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}
