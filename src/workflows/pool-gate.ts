import { CancellationScope, proxyActivities, setHandler } from '@temporalio/workflow';
import type { ControlActivities } from '../activities/contract.js';
import { poolGrantSignal, poolWorkflowId } from '../messages.js';
import { readGrant } from '../pool-message.js';
import type { Gate } from './admission.js';
import type { JobState } from './job-state.js';

const { askPool } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { maximumInterval: '10 seconds' },
});
const { awaitEnd } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '30 seconds',
  retry: { maximumInterval: '10 seconds' },
});

/** What a job has of its pool; carried along when it continues as new. */
export interface PoolState {
  /** Slots that it may use. */
  slots: number;
  /** The last grant. */
  granted: number;
  /** The last ask. */
  asked: number;
  /** What the pool knows of it; null where that is not sure. */
  told: { wants: number; holds: number } | null;
  /** The run of the pool that has heard it. */
  run_id: string | null;
}

const nothing = () => ({ wants: 0, holds: 0 });

/**
 * The slots that a job has of a pool. It asks for as many as it could use, and again when that changes; the pool
 * grants more or fewer at any time. What was taken back, and is in use, is given back as rows end.
 */
export class PoolGate implements Gate {
  readonly #jobId: string;
  readonly #job: JobState;
  readonly #onChange: () => void;
  #asking = false;
  #wants = 0;

  /** Takes grants from now on. @param onChange called with each. */
  constructor(jobId: string, job: JobState, onChange: () => void) {
    this.#jobId = jobId;
    this.#job = job;
    this.#onChange = onChange;
    if (job.settings.pool === undefined) return;
    setHandler(poolGrantSignal, (...messages: unknown[]) => this.#take(messages));
    job.pool ??= { slots: 0, granted: 0, asked: 0, told: nothing(), run_id: null };
    const { run_id } = job.pool;
    // Also while the job is being cancelled.
    if (run_id !== null)
      void CancellationScope.nonCancellable(() => this.#watch(job.pool!, run_id));
  }

  room(running: number): number {
    return this.#job.pool === undefined ? Infinity : this.#job.pool.slots - running;
  }

  get waitsFor(): string | undefined {
    const { settings, pool } = this.#job;
    if (settings.pool === undefined || pool === undefined) return undefined;
    return `pool ${settings.pool.name} (${pool.slots} of ${this.#wants} slots granted)`;
  }

  /** To be called whenever something has changed. @param wants slots that the job could use. */
  tell(wants: number, running: number): void {
    const { pool } = this.#job;
    this.#wants = wants;
    if (pool === undefined || this.#asking) return;
    pool.slots = Math.min(pool.slots, wants);
    const holds = Math.max(pool.slots, running);
    if (pool.told?.wants !== wants || pool.told.holds !== holds) void this.#ask(pool, wants, holds);
  }

  #take(messages: unknown[]): void {
    const { settings, pool } = this.#job;
    const grant = readGrant(messages);
    if (pool === undefined || grant?.pool !== settings.pool?.name) return;
    if (grant === undefined || grant.number <= pool.granted) return;
    pool.granted = grant.number;
    pool.slots = grant.slots;
    // What it has granted the pool takes as held, until it is told.
    if (pool.told !== null) pool.told.holds = Math.max(pool.told.holds, grant.slots);
    this.#onChange();
  }

  async #ask(pool: PoolState, wants: number, holds: number): Promise<void> {
    const { name, size } = this.#job.settings.pool!;
    const { granted } = pool;
    this.#asking = true;
    pool.told = null;
    pool.asked += 1;
    const ask = { job_id: this.#jobId, number: pool.asked, granted, size, wants, holds };
    const runId = await askPool({ pool: name, ask });
    this.#asking = false;
    // A grant that has come meanwhile may have been given before it was heard.
    if (pool.granted === granted) pool.told = { wants, holds };
    if (pool.run_id === null) void this.#watch(pool, runId);
    this.#onChange();
  }

  /** A pool that was ended by hand is asked anew, and told what the job holds. */
  async #watch(pool: PoolState, runId: string): Promise<void> {
    pool.run_id = runId;
    await awaitEnd({ workflow_id: poolWorkflowId(this.#job.settings.pool!.name), run_id: runId });
    pool.run_id = null;
    if (!this.#asking) pool.told = nothing();
    this.#onChange();
  }
}
