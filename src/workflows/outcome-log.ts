import { CancellationScope, sleep } from '@temporalio/workflow';
import type { JobRef } from '../activities/contract.js';
import type { Outcome, RowOutcome } from '../job.js';
import { briefly } from './control-activities.js';
import type { JobState } from './job-state.js';

const { appendOutcomes } = briefly;

/** Outcomes of one write, for which no others are waited for: one is some 6 KiB at most, a payload 2 MB. */
const MAX_BATCH = 128;
/** The longest that an outcome waits for others to be written with it. */
const FLUSH_AFTER = '10 seconds';
/** Outcomes that may wait before no more rows are started: the store cannot be written. */
const MAX_BACKLOG = 1000;

/** Brings outcomes to the job store, in numbered batches, one write at a time. */
export class OutcomeLog {
  readonly #job: JobRef;
  readonly #state: JobState;
  #waiting: RowOutcome[] = [];
  #inWriting: RowOutcome[] = [];
  #writing: Promise<void> | undefined;
  #flushPending = false;

  readonly #onWritten: () => void;

  constructor(job: JobRef, state: JobState, onWritten: () => void) {
    this.#job = job;
    this.#state = state;
    this.#onWritten = onWritten;
  }

  get backlogged(): boolean {
    return this.#waiting.length >= MAX_BACKLOG;
  }

  /** Whether all is written. */
  get drained(): boolean {
    return this.#writing === undefined && this.#waiting.length === 0;
  }

  /** The last outcome of a row, while it is on its way to the store. */
  find(rowIndex: number): Outcome | undefined {
    const of = (outcomes: RowOutcome[]) => outcomes.findLast(([row]) => row === rowIndex)?.[1];
    return of(this.#waiting) ?? of(this.#inWriting);
  }

  add(rowIndex: number, outcome: Outcome): void {
    this.#waiting.push([rowIndex, outcome]);
    // Operators' requests bring outcomes, too, and are of a scope that is cancelled with the job.
    void CancellationScope.nonCancellable(async () => this.#schedule());
  }

  /** Writes all that waits. */
  async drain(): Promise<void> {
    while (!this.drained) {
      await (this.#writing ??= this.#write());
    }
  }

  #schedule(): void {
    if (this.#waiting.length >= MAX_BATCH) {
      this.#writing ??= this.#write();
    } else if (this.#waiting.length > 0 && !this.#flushPending) {
      this.#flushPending = true;
      void sleep(FLUSH_AFTER).then(() => {
        this.#flushPending = false;
        if (this.#waiting.length > 0) this.#writing ??= this.#write();
      });
    }
  }

  async #write(): Promise<void> {
    const outcomes = this.#waiting.splice(0, MAX_BATCH);
    this.#inWriting = outcomes;
    const batch = this.#state.next_batch++;
    const { job_id, store_id } = this.#job;
    await appendOutcomes({ job_id, store_id, batch, counts: this.#state.counts, outcomes });
    this.#writing = undefined;
    this.#inWriting = [];
    this.#onWritten();
    this.#schedule();
  }
}
