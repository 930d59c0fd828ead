import { UsageError } from './errors.js';

/** Reads when a job is to be over. @returns ISO 8601. @throws {UsageError} */
export async function readDeadline(typed: string): Promise<string> {
  const { resetOf } = await import('../reset-time.js');
  const now = Date.now();
  const time = /^\d{4}-\d\d-\d\d/.test(typed) ? Date.parse(typed) : (resetOf(typed, now) ?? NaN);
  if (time > now) return new Date(time).toISOString();
  throw new UsageError(
    `--deadline: ${typed} is no time to come; give one as 2h, 18:00, or 2026-11-26T18:00:00Z`,
  );
}
