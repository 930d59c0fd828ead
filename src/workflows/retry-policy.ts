import type { FailureClass } from '../job.js';
import type { AttemptEnd } from './attempt-end.js';

/** What the next attempt would meet again: a person has to see to it first. */
const PERMANENT: ReadonlySet<FailureClass> = new Set(['login', 'permission_denied']);

/** The first wait and the longest one, in seconds. */
interface Waits {
  first: number;
  longest: number;
}

const WAITS: Waits = { first: 1, longest: 60 };
/** Services count by the minute or by the hour: asking again at once only uses up attempts. */
const LIMITED_WAITS: Waits = { first: 10, longest: 600 };
const LIMITED: ReadonlySet<FailureClass> = new Set(['rate_limited', 'quota']);

/** Whether another attempt makes sense after one that has ended in this way. */
export function isWorthAnother({ permanent, failure_class }: AttemptEnd): boolean {
  return permanent !== true && (failure_class === undefined || !PERMANENT.has(failure_class));
}

/**
 * How long an item waits before its next attempt: twice as long each time, up to a limit, and up to half
 * of it less by chance, so that rows which have failed together do not come back together.
 * @param attempt the one that has ended. @param chance 0 to 1.
 */
export function backoffMs(attempt: number, { failure_class }: AttemptEnd, chance: number): number {
  const limited = failure_class !== undefined && LIMITED.has(failure_class);
  const { first, longest } = limited ? LIMITED_WAITS : WAITS;
  const seconds = Math.min(longest, first * 2 ** (attempt - 1));
  return Math.round(1000 * seconds * (1 - chance / 2));
}
