import type { Client } from '@temporalio/client';
import { readBytes } from '../input/read-rows.js';
import type { JobSpec, RerunSpec } from '../job.js';
import { earlierJob, rerunSpec } from '../rerun/earlier-job.js';
import { earlierOutput } from '../rerun/earlier-output.js';
import { RerunRefused } from '../rerun/earlier-rows.js';
import { withSelection } from '../rerun/selection.js';
import { isRerun } from '../spec.js';
import type { JobStore, StoredJob } from '../store/job-store.js';
import type { RowWithOutcome } from '../store/kept-outcomes.js';

/** What a job is to have as its input. */
export interface RowsToOpen {
  /** In input order, to be iterated once. */
  rows: AsyncIterable<RowWithOutcome>;
  /** Complete once `rows` has ended; of CSV and of earlier jobs from the first row on. */
  columns: () => string[];
}

/**
 * What a job is that runs rows of an earlier one again, and all rows of that, of which those that are not
 * selected are kept.
 * @returns undefined where it is another job.
 * @throws {RerunRefused}; {@link InputError}; as the rows do.
 */
export async function openRerun(
  { client, store }: { client: Client; store: JobStore },
  stored: StoredJob,
  given: JobSpec | RerunSpec,
): Promise<{ spec: JobSpec; rows: RowsToOpen } | undefined> {
  if (!isRerun(given)) {
    if (given.rerun_of === undefined) return undefined;
    const { input_key: key } = given;
    const bytes = key === undefined ? undefined : () => stored.input(key);
    return { spec: given, rows: await outputRows(given, bytes) };
  }
  const { rerun_of } = given;
  if (rerun_of.job_id === stored.jobId) {
    throw new RerunRefused('rows are run again by another job: give it an ID of its own');
  }
  const earlier = await earlierJob(client, store.job(rerun_of.job_id));
  return {
    spec: rerunSpec(given, earlier.record, stored.jobId),
    rows: { rows: withSelection(earlier, rerun_of), columns: earlier.columns },
  };
}

/** The same where the input is the output of an earlier job. @param bytes where it is no file of this host. */
export async function outputRows(
  { csv_path, rerun_of = {} }: JobSpec,
  bytes: () => Promise<AsyncIterable<Uint8Array>> = async () => readBytes(csv_path),
): Promise<RowsToOpen> {
  const earlier = await earlierOutput(csv_path, bytes);
  return { rows: withSelection(earlier, rerun_of), columns: earlier.columns };
}
