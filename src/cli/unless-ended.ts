import type { AgentJobs, JobHandle } from '../client.js';
import { stateWord } from './job-report.js';
import { answer } from './output.js';

/**
 * Asks something of a job that runs; of one that has ended it says so.
 * @returns whether it was asked.
 * @throws {JobNotFound}
 */
export async function unlessEnded(
  jobs: AgentJobs,
  id: string,
  ask: (job: JobHandle) => Promise<void>,
): Promise<boolean> {
  try {
    await ask(jobs.job(id));
    return true;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowNotFoundError') throw error;
    const status = await jobs.job(id).status();
    answer(`Job ${id} has ended already: ${stateWord(status)}.`);
    return false;
  }
}
