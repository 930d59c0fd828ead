import type { AgentJobs, JobStatus } from '../client.js';
import { hasEnded } from './job-report.js';
import { jobStatuses } from './job-statuses.js';
import type { Interruption } from './interruption.js';
import { type ProgressView, progressView } from './progress-view.js';
import { type Attended, WorkerNotice } from './worker-notice.js';

/** What is known of a job that is followed. */
interface Followed extends Attended {
  /** Rows, known before the job has opened its input. */
  total?: number;
  /** What ends the following before the job does. */
  until?: (status: JobStatus) => boolean;
}

/**
 * Shows how a job goes on until it has closed, also while the server is away for a time.
 * @param interruption what ends the following, and not the job.
 * @param view where it is shown; it is closed at the end.
 * @returns the closed job's status, or the one that ended the following.
 * @throws {Interrupted}; {@link JobNotFound}.
 */
export async function follow(
  jobs: AgentJobs,
  jobId: string,
  interruption: Interruption,
  followed: Followed = {},
  view: ProgressView = progressView(),
): Promise<JobStatus> {
  const notice = new WorkerNotice(jobs, jobId, followed, (text) => view.note(text));
  const watch = async (): Promise<JobStatus> => {
    await notice.begin();
    const onAway = () => view.note('The server does not answer; waiting until it does.');
    let last: JobStatus | undefined;
    for await (const status of jobStatuses(jobs, jobId, onAway)) {
      last = status;
      if (hasEnded(status)) continue;
      if (followed.until?.(status) === true) return status;
      view.show({ ...status, total: status.total || (followed.total ?? 0) });
      await notice.observe(status);
    }
    return last!;
  };
  try {
    return await Promise.race([watch(), interruption.promise]);
  } finally {
    interruption.off();
    view.close();
  }
}
