import { stat } from 'node:fs/promises';
import type { JobSummary } from '../job.js';
import { checkOutput, writeWhole } from '../output/output-file.js';
import type { StoredJob } from '../store/job-store.js';

/** A summary or a status: of a job that has not ended, some of it is not there. */
type EndedJob = {
  [field in 'output_error' | 'output_csv_path' | 'ended_at']: JobSummary[field] | null;
} & Pick<JobSummary, 'output_key'>;

/**
 * Brings the output of a job that has ended to where its caller wants it, where its workers have left it
 * in the store; else does nothing.
 * @param options.ended whether the job has only just ended. Otherwise a file that was written since is
 *   left as it is: it has been brought already, and perhaps been worked on.
 * @returns why that could not be done, or what kept the worker from writing it; null where it is there.
 */
export async function bringOutput(
  stored: StoredJob,
  job: EndedJob,
  options: { ended: boolean },
): Promise<{ output_error: string | null }> {
  const { output_key, output_error, output_csv_path: path, ended_at } = job;
  if (output_key === undefined || output_error !== null || path === null) return { output_error };
  try {
    const end = options.ended || ended_at === null ? Infinity : Date.parse(ended_at);
    if (await writtenSince(path, end)) return { output_error };
    const spec = (await stored.record())?.spec;
    const { csv_path: input = '', overwrite = false } = spec ?? {};
    await checkOutput(path, { input, jobId: stored.jobId, overwrite });
    const chunks = await stored.output(output_key);
    if (chunks === undefined) throw new Error('it is not there any more');
    await writeWhole(path, chunks);
    return { output_error };
  } catch (error) {
    const where = stored.locate(output_key);
    const message = `${path} could not be written from ${where}: ${(error as Error).message}`;
    return { output_error: message };
  }
}

async function writtenSince(path: string, time: number): Promise<boolean> {
  const file = await stat(path).catch(() => undefined);
  return file !== undefined && file.mtimeMs >= time;
}
