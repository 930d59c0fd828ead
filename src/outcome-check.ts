/**
 * Tells outcomes and summaries from whatever else a workflow may have been closed with: it may have been
 * started by hand, with a memo of any kind, or be one that this worker cannot decode.
 */
import { FAILURE_REASONS, type JobSummary, type Outcome } from './job.js';

/** @returns the value where it is an outcome, else undefined. */
export function asOutcome(value: unknown): Outcome | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { status, attempt_count, completed_at, usage, ...rest } = value as Record<string, unknown>;
  const common =
    Number.isInteger(attempt_count) &&
    typeof completed_at === 'string' &&
    (usage === undefined || Array.isArray(usage));
  return common && isOf(status, rest) ? (value as Outcome) : undefined;
}

function isOf(status: unknown, rest: Record<string, unknown>): boolean {
  const { result, reason, last_error } = rest;
  switch (status) {
    case 'completed':
      return typeof result === 'object' && result !== null;
    case 'failed':
      return typeof last_error === 'string' && FAILURE_REASONS.some((known) => known === reason);
    case 'cancelled':
      return typeof last_error === 'string';
    default:
      return false;
  }
}

/** @returns the value where it is a job's summary, else undefined. */
export function asSummary(value: unknown): JobSummary | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const summary = value as Record<string, unknown>;
  const counts = ['total', 'completed', 'failed', 'cancelled', 'pending'];
  const texts = ['job_id', 'verdict', 'output_csv_path', 'started_at', 'ended_at'];
  const known =
    counts.every((key) => Number.isInteger(summary[key])) &&
    texts.every((key) => typeof summary[key] === 'string') &&
    Array.isArray(summary['failures']);
  return known ? (value as JobSummary) : undefined;
}
