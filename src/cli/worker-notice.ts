import type { AgentJobs, AgentSpec, JobStatus } from '../client.js';

const PATIENCE_MS = 5000;
const START_ONE = 'To start one: agent-jobs worker';

/** A job that somebody should work on. */
export interface Attended {
  agent?: AgentSpec | undefined;
  /** Called in place of a notice where a job is not picked up, with what is to be used to say so. */
  onUnattended?: (say: (text: string) => void) => Promise<void>;
}

/** Says, once, that nobody works on a job: it would wait for ever without a word. */
export class WorkerNotice {
  readonly #jobs: AgentJobs;
  readonly #jobId: string;
  readonly #followed: Attended;
  readonly #say: (text: string) => void;
  #said = false;
  #unansweredSince: number | undefined;

  constructor(jobs: AgentJobs, jobId: string, followed: Attended, say: (text: string) => void) {
    this.#jobs = jobs;
    this.#jobId = jobId;
    this.#followed = followed;
    this.#say = say;
  }

  /** Where the server knows of no worker there is none. */
  async begin(): Promise<void> {
    const { taskQueue, status } = await this.#jobs.client.workflow
      .getHandle(this.#jobId)
      .describe()
      .catch(() => ({ taskQueue: this.#jobs.taskQueue, status: undefined }));
    if (status?.name !== 'RUNNING') return;
    const notice = await unattendedNotice(this.#jobs, this.#followed.agent, taskQueue);
    if (notice === undefined) return;
    this.#said = true;
    this.#say(notice);
  }

  /** Where the server lists a worker it may be dead: then nothing answers. */
  async observe({ state, error }: JobStatus): Promise<void> {
    if (state !== 'unreachable') {
      this.#unansweredSince = undefined;
      return;
    }
    this.#unansweredSince ??= Date.now();
    if (this.#said || Date.now() - this.#unansweredSince < PATIENCE_MS) return;
    this.#said = true;
    if (error !== null) {
      this.#say(`The worker of this job cannot work on it: ${error}`);
      return;
    }
    const { onUnattended } = this.#followed;
    if (onUnattended !== undefined) await onUnattended(this.#say);
    else this.#say(`No worker has answered for this job for ${PATIENCE_MS / 1000} s. ${START_ONE}`);
  }
}

/** @returns that no worker takes the work of a job, where that is certain. */
export async function unattendedNotice(
  jobs: AgentJobs,
  agent: Attended['agent'],
  taskQueue: string = jobs.taskQueue,
): Promise<string | undefined> {
  // Not every server lets everybody ask; a job that has been started goes on all the same.
  const queues = await jobs.unattended(agent, taskQueue).catch(() => []);
  if (queues.length === 0) return undefined;
  const ours = queues.some((queue) => queue.startsWith(taskQueue));
  return (
    `No worker takes this job's work: nobody polls the task queue ${queues.join(' or ')}. ` +
    (ours ? START_ONE : 'The job waits until one does.')
  );
}
