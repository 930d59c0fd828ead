import { type Counts, type JobSettings, type KeptRows, MIN_FAILURE_SAMPLE, ended } from '../job.js';

/** Why a job has to halt, or null where what has failed is tolerated. */
export function intolerable(
  { counts, total, kept }: { counts: Counts; total: number; kept?: KeptRows },
  { tolerated_failures: most, tolerated_failure_percentage: share }: JobSettings,
): string | null {
  // What became of rows in an earlier job is no news.
  const failed = counts.failed - (kept?.failed ?? 0);
  const completed = counts.completed - (kept?.completed ?? 0);
  if (most !== undefined && failed > most) {
    return `${rowsHave(failed)} failed, ${most === 0 ? 'none is' : `${most} are`} tolerated`;
  }
  // What a person has cancelled says nothing of the rows.
  const judged = failed + completed;
  const enough = judged >= MIN_FAILURE_SAMPLE || ended(counts) + (kept?.pending ?? 0) === total;
  if (share !== undefined && enough && 100 * failed > share * judged) {
    return `${failed} of ${rowsHave(judged)} failed, ${share} % are tolerated`;
  }
  return null;
}

function rowsHave(count: number): string {
  return count === 1 ? '1 row has' : `${count} rows have`;
}
