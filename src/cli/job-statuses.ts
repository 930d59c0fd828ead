import { setTimeout as delay } from 'node:timers/promises';
import type { AgentJobs, JobStatus } from '../client.js';
import { isServerAway } from './errors.js';
import { hasEnded } from './job-report.js';

const SERVER_RETRY_MS = 1000;

/**
 * The status of a job now, every second, and when it has closed, also while the server is away for a time.
 * @param onAway called once each time the server goes away.
 * @param over ends it.
 * @throws {JobNotFound}
 */
export async function* jobStatuses(
  jobs: AgentJobs,
  jobId: string,
  onAway: () => void,
  over?: AbortSignal,
): AsyncGenerator<JobStatus> {
  // What the running job told last is later than what the store knows.
  let told: JobStatus | undefined;
  let away = false;
  for (;;) {
    try {
      for await (const status of jobs.job(jobId).watch()) {
        if (over?.aborted) return;
        away = false;
        if (status.running !== null) told = status;
        yield hasEnded(status) ? status : { ...status, ...countsOf(told ?? status) };
      }
      return;
    } catch (error) {
      if (over?.aborted) return;
      if (!isServerAway(error)) throw error;
      if (!away) onAway();
      away = true;
      await delay(SERVER_RETRY_MS);
    }
  }
}

function countsOf({ completed, failed, cancelled, pending }: JobStatus) {
  return { completed, failed, cancelled, pending };
}
