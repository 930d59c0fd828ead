import type { FailureClass } from '../job.js';
import type { AttemptEnd } from './attempt-end.js';

/** What the next attempt would meet again: a person has to see to it first. */
const PERMANENT: ReadonlySet<FailureClass> = new Set(['login', 'permission_denied']);

/** The first wait and the longest one, in seconds. */
const FIRST_WAIT = 1;
const LONGEST_WAIT = 60;

/**
 * Whether another attempt makes sense after one that has ended in this way. What has met a limit is for the
 * job to try again, which knows of all its rows.
 */
export function isWorthAnother({ permanent, failure_class, quota }: AttemptEnd): boolean {
  if (permanent === true || quota !== undefined) return false;
  return failure_class === undefined || !PERMANENT.has(failure_class);
}

/**
 * How long an item waits before its next attempt: twice as long each time, up to a limit, and up to half
 * of it less by chance, so that rows which have failed together do not come back together.
 * @param attempt the one that has ended. @param chance 0 to 1.
 */
export function backoffMs(attempt: number, chance: number): number {
  const seconds = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
  return Math.round(1000 * seconds * (1 - chance / 2));
}
