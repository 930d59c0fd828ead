import { jobStatuses } from '../cli/job-statuses.js';
import { replaceWorker } from '../cli/local-worker.js';
import { isLoopback } from '../cli/loopback.js';
import { note } from '../cli/output.js';
import type { Connected } from '../cli/server.js';
import { WorkerNotice } from '../cli/worker-notice.js';
import type { JobSpec, JobStatus } from '../client.js';
import { until } from './until.js';

export interface Waiting {
  /** Ends the waiting, and not the job. */
  over: AbortSignal;
  /** The job's spec, where it is known. */
  spec: JobSpec | undefined;
  show: (status: JobStatus) => Promise<void>;
}

/**
 * Waits for a job's end, as long as the call may, and replaces a local worker that is dead.
 * @returns the last status, and what was to be said of the workers meanwhile.
 * @throws {JobNotFound}
 */
export async function waitForJob(
  { jobs, server }: Connected,
  jobId: string,
  { over, spec, show }: Waiting,
): Promise<{ status: JobStatus; said?: string }> {
  let last: JobStatus | undefined;
  let said: string | undefined;
  const say = (text: string) => {
    said = text;
    note(`Job ${jobId}: ${text}`);
  };
  const followed = {
    agent: spec?.agent,
    ...(spec !== undefined &&
      isLoopback(server.address) && {
        onUnattended: () => replaceWorker(spec, say),
      }),
  };
  const watch = async () => {
    const notice = new WorkerNotice(jobs, jobId, followed, say);
    await notice.begin();
    const onAway = () => say('The Temporal server does not answer.');
    for await (const status of jobStatuses(jobs, jobId, onAway, over)) {
      last = status;
      await show(status);
      await notice.observe(status);
    }
  };
  if (!over.aborted) await until(watch(), over);
  const job = jobs.job(jobId);
  const status = await job.withOutput(last ?? (await job.status()), { ended: false });
  return { status, ...(said !== undefined && { said }) };
}
