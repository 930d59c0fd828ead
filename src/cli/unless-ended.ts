import type { AgentJobs, JobHandle, JobStatus } from '../client.js';

/**
 * Asks something of a job that runs.
 * @returns the status of a job that has ended already, and so was not asked.
 * @throws {JobNotFound}
 */
export async function unlessEnded(
  jobs: AgentJobs,
  id: string,
  ask: (job: JobHandle) => Promise<void>,
): Promise<JobStatus | undefined> {
  try {
    await ask(jobs.job(id));
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowNotFoundError') throw error;
    return jobs.job(id).status();
  }
}

/** Asks something of a job, which need not be granted: it may have ended, or be stopping. */
export async function unlessOver(ask: () => Promise<void>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    const names = ['WorkflowNotFoundError', 'ControlRefused'];
    if (!(error instanceof Error) || !names.includes(error.name)) throw error;
  }
}
