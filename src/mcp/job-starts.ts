import { isLoopback } from '../cli/loopback.js';
import { ensureServer } from '../cli/local-server.js';
import { ensureWorker, requireAgent } from '../cli/local-worker.js';
import { connected } from '../cli/server.js';
import type { JobSpec } from '../client.js';
import { serverConnection } from '../config.js';

/** A job that is about to be started. */
export interface JobStart {
  spec: JobSpec;
  total: number;
  output_csv_path: string;
  /** Resolves once the job goes on without this process; rejects where nothing was started. */
  done: Promise<void>;
}

/** The jobs that this process is starting, which no server knows yet, and those it could not start. */
export class JobStarts {
  readonly #starts = new Map<string, JobStart>();
  #last: Promise<void> = Promise.resolve();

  /** Starts a job after those before it, so that they share the server and the worker it takes. */
  begin(jobId: string, job: Omit<JobStart, 'done'>): JobStart {
    const done = this.#last.then(() => start(jobId, job.spec));
    this.#last = done.catch(() => {});
    const begun = { ...job, done };
    this.#starts.set(jobId, begun);
    done.then(() => this.#starts.delete(jobId)).catch(() => {});
    return begun;
  }

  /** @returns undefined where the job was started, or never by this process. */
  find(jobId: string): JobStart | undefined {
    return this.#starts.get(jobId);
  }
}

/** As `run --local`; a server elsewhere has workers of its own. */
async function start(jobId: string, spec: JobSpec): Promise<void> {
  const local = isLoopback(serverConnection().address);
  if (local) {
    await requireAgent(spec);
    await ensureServer();
  }
  await connected(async (site) => {
    if (local) await ensureWorker(site, spec);
    await site.jobs.start(spec, { jobId });
  });
}
