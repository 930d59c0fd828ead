import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { Outcome } from '../job.js';
import type { JobState } from './job-state.js';

/** The time at which a job is to be over: one timer, set anew where the deadline is moved. */
export class Deadline {
  readonly #job: JobState;
  readonly #onPassed: () => void;
  #timer: { at: string; scope: CancellationScope } | undefined;
  #passed = false;

  /** @param onPassed called once. */
  constructor(job: JobState, onPassed: () => void) {
    this.#job = job;
    this.#onPassed = onPassed;
  }

  /** To be called whenever something has changed, outside of any scope that is cancelled. */
  look(): void {
    const { deadline } = this.#job.settings;
    if (deadline === undefined || this.#passed) return;
    const left = Date.parse(deadline) - Date.now();
    if (left <= 0) {
      this.#passed = true;
      this.#job.stop_reason ??= `the deadline of ${deadline} has passed`;
      this.#onPassed();
    } else if (this.#timer?.at !== deadline) {
      this.#timer?.scope.cancel();
      const scope = new CancellationScope();
      this.#timer = { at: deadline, scope };
      void scope.run(() => this.#wait(left));
    }
  }

  /** The outcome of a row whose agent was ended at the deadline says so. */
  told(outcome: Outcome): Outcome {
    if (!this.#passed || outcome.status !== 'cancelled') return outcome;
    return { ...outcome, last_error: "ended at the job's deadline" };
  }

  /** Whether it has ended agents. */
  get cutOff(): boolean {
    return this.#passed && this.#job.counts.cancelled > 0;
  }

  async #wait(ms: number): Promise<void> {
    try {
      await sleep(ms);
      this.look();
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
  }
}
