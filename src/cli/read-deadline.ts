import { UsageError } from './errors.js';

/** A year; beyond, something else was meant. */
const MAX_AHEAD_MS = 366 * 86_400_000;

/** Reads when a job is to be over. @returns ISO 8601. @throws {UsageError} */
export async function readDeadline(typed: string): Promise<string> {
  const { timeOf } = await import('../reset-time.js');
  const now = Date.now();
  const isDate = /^\d{4}-\d\d-\d\d/.test(typed);
  const time = isDate ? Date.parse(typed) : (timeOf(typed, now, MAX_AHEAD_MS) ?? NaN);
  if (time > now) return new Date(time).toISOString();
  throw new UsageError(
    `--deadline: ${typed} is no time to come; give one as 2h, 18:00, or 2026-11-26T18:00:00Z`,
  );
}
