import type { Gate } from './admission.js';
import { type JobState, endedHere, leftToRun } from './job-state.js';

/** Starts the rows of a sample only, until the job is resumed after it. */
export class SampleGate implements Gate {
  readonly #job: JobState;

  constructor(job: JobState) {
    this.#job = job;
  }

  room(running: number): number {
    const { sample } = this.#job.settings;
    // Rows that were put back have not ended: they are of the sample still.
    return sample === undefined ? Infinity : sample - endedHere(this.#job) - running;
  }

  /** Pauses the job once the sample has ended, unless that was all of its rows. */
  pause(running: number): void {
    const { settings, paused } = this.#job;
    const done = endedHere(this.#job);
    if (settings.sample === undefined || running > 0 || done < settings.sample) return;
    // Whoever ends another pause does not know of the sample yet.
    if (paused !== null) return;
    delete settings.sample;
    const left = leftToRun(this.#job);
    if (left === 0) return;
    this.#job.paused = {
      reason: `sample: ${done} of ${done + left} rows are done; agent-jobs resume starts the others`,
      since: new Date().toISOString(),
      until: null,
      sample: true,
    };
  }
}
