/** Counts of a job's rows, and how it ended. */

/** Ended items. Rows that are neither ended nor in flight are pending. */
export interface Counts {
  completed: number;
  failed: number;
  cancelled: number;
}

/**
 * Rows that a job does not start: those that have the outcome of an earlier job, and, `pending`, those that
 * have none and were not selected.
 */
export interface KeptRows extends Counts {
  pending: number;
}

export type Verdict = 'succeeded' | 'partial' | 'failed' | 'stopped' | 'cancelled';

export function ended(counts: Counts): number {
  return counts.completed + counts.failed + counts.cancelled;
}

/** The verdict: the first rule that matches. */
export function verdictOf(job: {
  counts: Counts;
  total: number;
  cancelled: boolean;
  /** More rows have failed than are tolerated. */
  halted: boolean;
  /** Its deadline has ended agents. */
  cutOff?: boolean;
}): Verdict {
  const { counts, total } = job;
  const pending = total - ended(counts);
  if (job.cancelled && (pending > 0 || counts.cancelled > 0)) return 'cancelled';
  if (job.halted || (counts.completed === 0 && counts.failed > 0)) return 'failed';
  if (pending > 0 || job.cutOff === true) return 'stopped';
  if (counts.completed === total) return 'succeeded';
  return 'partial';
}
