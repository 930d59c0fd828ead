import { stat } from 'node:fs/promises';
import { type JobSummary, outputKey } from '../job.js';
import { checkOutput, writeWhole } from '../output/output-file.js';
import type { StoredJob } from '../store/job-store.js';

/** A summary or a status: of a job that has not ended, some of it is not there. */
type EndedJob = {
  [field in 'output_error' | 'output_csv_path' | 'ended_at']: JobSummary[field] | null;
} & { stored_output?: string | null };

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
  const { stored_output, output_error, output_csv_path: path, ended_at } = job;
  if (!stored_output || output_error !== null || path === null) return { output_error };
  try {
    const end = options.ended || ended_at === null ? Infinity : Date.parse(ended_at);
    if (await writtenSince(path, end)) return { output_error };
    const key = outputKey(path);
    if (stored.locate(key) !== stored_output) {
      throw new Error('that is in another job store: name it with --store or AGENT_JOBS_STORE');
    }
    const spec = (await stored.record())?.spec;
    const { csv_path: input = '', overwrite = false } = spec ?? {};
    await checkOutput(path, { input, jobId: stored.jobId, overwrite });
    const chunks = await stored.output(key);
    if (chunks === undefined) throw new Error('it is not there any more');
    await writeWhole(path, chunks);
    return { output_error };
  } catch (error) {
    const reason = (error as Error).message;
    return { output_error: `${path} could not be written from ${stored_output}: ${reason}` };
  }
}

async function writtenSince(path: string, time: number): Promise<boolean> {
  const file = await stat(path).catch(() => undefined);
  return file !== undefined && file.mtimeMs >= time;
}
