import { ended } from '../job.js';
import type { Gate } from './admission.js';
import type { JobState } from './job-state.js';

/** Starts the rows of a sample only, until the job is resumed after it. */
export class SampleGate implements Gate {
  readonly #job: JobState;

  constructor(job: JobState) {
    this.#job = job;
  }

  room(running: number): number {
    const { settings, counts } = this.#job;
    // Rows that were put back have not ended: they are of the sample still.
    return settings.sample === undefined ? Infinity : settings.sample - ended(counts) - running;
  }

  /** Pauses the job once the sample has ended, unless that was all of its rows. */
  pause(running: number): void {
    const { settings, counts, total } = this.#job;
    const done = ended(counts);
    if (settings.sample === undefined || running > 0 || done < settings.sample) return;
    delete settings.sample;
    if (done >= total) return;
    this.#job.paused ??= {
      reason: `sample: ${done} of ${total} rows are done; agent-jobs resume starts the others`,
      since: new Date().toISOString(),
      until: null,
      sample: true,
    };
  }
}
