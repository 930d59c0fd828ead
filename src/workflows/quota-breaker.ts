import { type Outcome, type Pause, clip } from '../job.js';
import type { Gate } from './admission.js';
import { type JobState, addUsageOf } from './job-state.js';

/** What is known of a limit that agents of the job have met; absent while they meet none. */
export interface QuotaState {
  reason: string;
  /** ISO 8601. */
  since: string;
  /** No row starts before; ms since the epoch. */
  until: number;
  /** A person has ended the pause: what rows say of it that ran before does not count. */
  overridden?: true;
  /** How often in a row it was met since a row has last gone through. */
  met: number;
  /** Rows that may be in flight at once, of those that are started after the pause. */
  limit: number;
  /** Those of them that are in flight. */
  trial: number[];
}

/**
 * Waits in seconds: the first one and the longest, where the agent does not say when the limit ends.
 * Services count by the minute or by the hour: asking again at once only adds to it.
 */
const WAITS = { first: 10, longest: 600 };
/** The least there is where it says so: a limit may end later than it said, or say so each time. */
const LEAST_WAITS = { first: 1, longest: 600 };
const MAX_REASON_CHARS = 200;

/**
 * Stops the job from starting rows once an agent has met a limit, until that ends. Then a single row goes
 * first; with each that does not meet it, twice as many may run at once. Rows that have met it are put back,
 * and so never fail with it, however often that is.
 */
export class QuotaBreaker implements Gate {
  readonly #job: JobState;

  constructor(job: JobState) {
    this.#job = job;
  }

  room(_running: number, nowMs: number): number {
    const { quota } = this.#job;
    if (quota === undefined) return Infinity;
    return nowMs < quota.until ? 0 : quota.limit - quota.trial.length;
  }

  get wakeAt(): number | undefined {
    const { quota } = this.#job;
    // With rows under trial, it is one of them that makes room.
    return quota === undefined || quota.trial.length > 0 ? undefined : quota.until;
  }

  get waitsFor(): string | undefined {
    const { quota } = this.#job;
    if (quota === undefined || quota.trial.length === 0) return undefined;
    return `the ${quota.limit === 1 ? 'row' : 'rows'} that went first after the pause`;
  }

  started(rowIndex: number): void {
    this.#job.quota?.trial.push(rowIndex);
  }

  /** A row is in flight no more. @returns whether it was started after the pause. */
  left(rowIndex: number): boolean {
    const { quota } = this.#job;
    if (quota?.trial.includes(rowIndex) !== true) return false;
    quota.trial = quota.trial.filter((row) => row !== rowIndex);
    return true;
  }

  /** @returns whether the item has met a limit: its row is to be put back. */
  settled(rowIndex: number, itemId: string, outcome: Outcome): boolean {
    const { quota } = this.#job;
    const trial = this.left(rowIndex);
    if (outcome.status === 'failed' && outcome.quota !== undefined) {
      addUsageOf(this.#job, outcome);
      const { resets_at } = outcome.quota;
      const resetMs = resets_at === undefined ? undefined : Date.parse(resets_at);
      this.#met(trial, `${itemId} ${outcome.last_error}`, resetMs, Date.now());
      return true;
    }
    if (trial && outcome.status === 'completed') this.#wentThrough(quota!);
    return false;
  }

  #met(trial: boolean, how: string, resetMs: number | undefined, now: number): void {
    const { quota } = this.#job;
    if (quota !== undefined && now < quota.until) {
      // Rows that were in flight meet the same limit; what one of them says of its end holds.
      quota.until = Math.max(quota.until, resetMs ?? 0);
      return;
    }
    // One that was started before the pause and does not say when says nothing of the time after it.
    if (quota !== undefined && !trial && (quota.overridden || (resetMs ?? 0) <= now)) return;
    const met = (quota?.met ?? 0) + 1;
    const least = now + waitMs(met, resetMs === undefined ? WAITS : LEAST_WAITS, Math.random());
    this.#job.quota = {
      reason: clip(`quota: ${how}`, MAX_REASON_CHARS),
      since: new Date(now).toISOString(),
      until: Math.max(least, resetMs ?? 0),
      met,
      limit: 1,
      trial: [],
    };
  }

  #wentThrough(quota: QuotaState): void {
    quota.met = 0;
    quota.limit *= 2;
    if (quota.limit >= this.#job.settings.max_concurrency) delete this.#job.quota;
  }
}

/** Why the job starts no rows for now, if it is for a limit. */
export function quotaPause({ quota }: JobState, nowMs: number): Pause | null {
  if (quota === undefined || nowMs >= quota.until) return null;
  const { reason, since, until } = quota;
  return { reason, since, until: new Date(until).toISOString() };
}

/** Ends the wait for a limit: a person knows better. A single row still goes first. */
export function endQuotaPause({ quota }: JobState): void {
  if (quota === undefined) return;
  quota.until = 0;
  quota.met = 0;
  quota.overridden = true;
}

/** Twice as long each time, up to half of it less by chance. @param chance 0 to 1. */
function waitMs(met: number, { first, longest }: typeof WAITS, chance: number): number {
  const seconds = Math.min(longest, first * 2 ** (met - 1));
  return Math.round(1000 * seconds * (1 - chance / 2));
}
