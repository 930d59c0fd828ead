import { NO_RATE, msPerRow } from '../rate.js';
import type { Gate } from './admission.js';
import type { JobState } from './job-state.js';

/** What a bucket holds: the rows of so long a time, one at least. */
const BURST_MS = 1000;
/** Rows of a high rate start together that come within so long a time, so that each need not have a timer. */
const TOGETHER_MS = 250;

/**
 * The rate at which rows start: a token bucket. All there is to know of it is when it will be full again, so
 * nothing happens while it fills.
 */
export class RateGate implements Gate {
  readonly #job: JobState;

  constructor(job: JobState) {
    this.#job = job;
  }

  room(_running: number, nowMs: number): number {
    const { rate } = this.#job.settings;
    if (rate === undefined) return Infinity;
    const perRow = msPerRow(rate);
    return Math.floor(capacity(perRow) - missing(this.#job, perRow, nowMs));
  }

  get wakeAt(): number | undefined {
    const { settings, rate_full_at } = this.#job;
    if (settings.rate === undefined || rate_full_at === undefined) return undefined;
    const perRow = msPerRow(settings.rate);
    const together = Math.max(1, Math.floor(TOGETHER_MS / perRow));
    // Rounded up: at that time they are there.
    return Math.ceil(rate_full_at - (capacity(perRow) - together) * perRow);
  }

  get waitsFor(): string | undefined {
    const { rate } = this.#job.settings;
    return rate === undefined ? undefined : `rate ${rate}`;
  }

  started(nowMs: number): void {
    const { rate } = this.#job.settings;
    if (rate === undefined) return;
    this.#job.rate_full_at = Math.max(this.#job.rate_full_at ?? 0, nowMs) + msPerRow(rate);
  }
}

/** Sets another rate, by which the rows that have started before count. */
export function changeRate(job: JobState, rate: string, nowMs: number): void {
  const { settings } = job;
  const gone = settings.rate === undefined ? 0 : missing(job, msPerRow(settings.rate), nowMs);
  if (rate === NO_RATE) {
    delete settings.rate;
    delete job.rate_full_at;
    return;
  }
  settings.rate = rate;
  const perRow = msPerRow(rate);
  // What the old rate allowed is not to be waited for at the new one.
  job.rate_full_at = nowMs + Math.min(gone, capacity(perRow)) * perRow;
}

/** Rows that may start at once when none has for a while. */
function capacity(perRow: number): number {
  return Math.max(1, Math.floor(BURST_MS / perRow));
}

/** Rows that the bucket lacks until it is full; of a row that is on its way, a part. */
function missing({ rate_full_at = 0 }: JobState, perRow: number, nowMs: number): number {
  return Math.max(0, rate_full_at - nowMs) / perRow;
}
