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
