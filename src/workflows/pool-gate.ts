import { CancellationScope } from '@temporalio/workflow';
import { poolGrantSignal, poolWorkflowId } from '../messages.js';
import { readGrant } from '../pool-message.js';
import { atLength, briefly } from './control-activities.js';
import { sound } from './activity-results.js';
import type { Gate } from './admission.js';
import type { JobState } from './job-state.js';
import { type Signals, onSignal } from './on-signal.js';
import { type PoolLease, askSent, newLease, nextAsk, take } from './pool-lease.js';

const { askPool } = briefly;
const { awaitEnd } = atLength;

/** What a job has of its pool, and the run of the pool that has heard it. */
export type PoolState = PoolLease & { run_id: string | null };

/**
 * The slots that a job has of a pool. It asks for as many as it could use, and again when that changes; the pool
 * grants more or fewer at any time. What was taken back, and is in use, is given back as rows end.
 */
export class PoolGate implements Gate {
  readonly #jobId: string;
  readonly #job: JobState;
  readonly #onChange: () => void;
  readonly #grants: Signals;
  #asking = false;
  #wants = 0;

  /** Takes grants from now on. @param onChange called with each. */
  constructor(jobId: string, job: JobState, onChange: () => void) {
    this.#jobId = jobId;
    this.#job = job;
    this.#onChange = onChange;
    this.#grants = onSignal(poolGrantSignal, (...messages) => this.#take(messages), onChange);
    if (job.pool === undefined) return;
    const { run_id } = job.pool;
    // Also while the job is being cancelled.
    if (run_id !== null)
      void CancellationScope.nonCancellable(() => this.#watch(job.pool!, run_id));
  }

  room(running: number): number {
    // Without rows to run, it is only to be found out that there are none.
    if (this.#job.pool === undefined || this.#wants === 0) return Infinity;
    return this.#job.pool.slots - running;
  }

  /** Whether grants have come that it does not know of yet. */
  get unread(): boolean {
    return this.#grants.waiting;
  }

  get waitsFor(): string | undefined {
    const { settings, pool } = this.#job;
    if (settings.pool === undefined || pool === undefined) return undefined;
    // With all that it could use, it waits for rows of its own.
    if (pool.slots >= this.#wants) return undefined;
    return `pool ${settings.pool.name} (${pool.slots} of ${this.#wants} slots granted)`;
  }

  /** To be called whenever something has changed. @param wants slots that the job could use. */
  tell(wants: number, running: number): void {
    this.#wants = wants;
    if (this.#job.settings.pool === undefined) return;
    // Of a rerun, the settings of the first job are known once its input is open.
    const pool = (this.#job.pool ??= { ...newLease(), run_id: null });
    if (this.#asking) return;
    const ask = nextAsk(pool, wants, running);
    if (ask !== undefined) void this.#ask(pool, ask);
  }

  #take(messages: unknown[]): void {
    const { settings, pool } = this.#job;
    const grant = readGrant(messages);
    if (pool === undefined || grant?.pool !== settings.pool?.name) return;
    if (grant !== undefined && take(pool, grant)) this.#onChange();
  }

  async #ask(pool: PoolState, said: NonNullable<ReturnType<typeof nextAsk>>): Promise<void> {
    const { name, size } = this.#job.settings.pool!;
    this.#asking = true;
    const ask = { job_id: this.#jobId, size, ...said };
    const runId = await sound(
      'askPool',
      () => askPool({ pool: name, ask }),
      (id) => typeof id === 'string' && id !== '',
    );
    this.#asking = false;
    askSent(pool, said);
    if (pool.run_id === null) void this.#watch(pool, runId);
    this.#onChange();
  }

  /** A pool that was ended by hand is asked anew, and told what the job holds. */
  async #watch(pool: PoolState, runId: string): Promise<void> {
    pool.run_id = runId;
    await awaitEnd({ workflow_id: poolWorkflowId(this.#job.settings.pool!.name), run_id: runId });
    pool.run_id = null;
    // Whatever is being asked now is asked once more when its run is known.
    if (!this.#asking) Object.assign(pool, { told: newLease().told, sure: true });
    this.#onChange();
  }
}
