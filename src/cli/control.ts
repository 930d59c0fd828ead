import type { JobHandle } from '../client.js';
import { answer } from './output.js';

/**
 * Asks something of a job that runs, and says that it is done, or that the job has ended already.
 * @throws {ControlRefused}; {@link JobUnattended}; {@link JobNotFound}.
 */
export async function control(
  id: string,
  ask: (job: JobHandle) => Promise<void>,
  done: string,
): Promise<void> {
  const { connected } = await import('./server.js');
  const { answerEndedAlready } = await import('./job-report.js');
  const { unlessEnded } = await import('./unless-ended.js');
  await connected(async ({ jobs }) => {
    const ended = await unlessEnded(jobs, id, ask);
    if (ended !== undefined) answerEndedAlready(ended);
    else answer(done);
  });
}
