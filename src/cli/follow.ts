import { setTimeout as delay } from 'node:timers/promises';
import type { AgentJobs, AgentSpec, JobStatus } from '../client.js';
import { isServerAway } from './errors.js';
import { hasEnded } from './job-report.js';
import type { Interruption } from './interruption.js';
import { progressView } from './progress-view.js';
import { WorkerNotice } from './worker-notice.js';

const SERVER_RETRY_MS = 1000;

/** What is known of a job that is followed. */
export interface Followed {
  agent?: AgentSpec | undefined;
  /** Rows, known before the job has opened its input. */
  total?: number;
  /** Called in place of a notice where a job is not picked up, with what is to be used to say so. */
  onUnattended?: (say: (text: string) => void) => Promise<void>;
}

/**
 * Shows how a job goes on until it has closed, also while the server is away for a time.
 * @param interruption what ends the following, and not the job.
 * @returns the closed job's status.
 * @throws {Interrupted}; {@link JobNotFound}.
 */
export async function follow(
  jobs: AgentJobs,
  jobId: string,
  interruption: Interruption,
  followed: Followed = {},
): Promise<JobStatus> {
  const view = progressView();
  const notice = new WorkerNotice(jobs, jobId, followed, (text) => view.note(text));
  const watch = async (): Promise<JobStatus> => {
    await notice.begin();
    // What the running job told last is later than what the store knows.
    let told: JobStatus | undefined;
    let away = false;
    for (;;) {
      try {
        let last: JobStatus | undefined;
        for await (const status of jobs.job(jobId).watch()) {
          last = status;
          away = false;
          if (last.running !== null) told = last;
          if (hasEnded(last)) continue;
          view.show({
            ...last,
            ...countsOf(told ?? last),
            total: last.total || (followed.total ?? 0),
          });
          await notice.observe(last);
        }
        return last!;
      } catch (error) {
        if (!isServerAway(error)) throw error;
        if (!away) view.note('The server does not answer; waiting until it does.');
        away = true;
        await delay(SERVER_RETRY_MS);
      }
    }
  };
  try {
    return await Promise.race([watch(), interruption.promise]);
  } finally {
    interruption.off();
    view.close();
  }
}

function countsOf({ completed, failed, cancelled, pending }: JobStatus) {
  return { completed, failed, cancelled, pending };
}
