import type { Guard } from '../guard.js';
import type { RunNotes } from '../leftovers.js';
import { CodexHost, type HostCommand } from './codex-host.js';

/** For so long a job is not tried again on a host that does not start. */
const TRY_AGAIN_MS = 60_000;

/** The hosts of a worker: one for each job that runs, since its environment and arguments are the job's. */
export class CodexHosts {
  readonly #guard: Guard;
  readonly #notes: RunNotes | undefined;
  readonly #ofJobs = new Map<string, Promise<CodexHost | undefined>>();
  /** All that have not been forgotten: some end while the next one of their job runs. */
  readonly #started = new Set<CodexHost>();

  constructor(guard: Guard, notes: RunNotes | undefined) {
    this.#guard = guard;
    this.#notes = notes;
  }

  /**
   * The host of a job, started where none is open.
   * @returns undefined where it does not start: `codex exec` says why, or works.
   */
  async ofJob(jobId: string, command: HostCommand): Promise<CodexHost | undefined> {
    const present = this.#ofJobs.get(jobId);
    const host = await present;
    if (present !== undefined && (host === undefined || host.open)) return host;
    // Another run may have started the next one meanwhile.
    if (this.#ofJobs.get(jobId) !== present) return this.ofJob(jobId, command);
    const starting = this.#start(jobId, command);
    this.#ofJobs.set(jobId, starting);
    return starting;
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all(this.#ofJobs.values());
    await Promise.all([...this.#started].map((host) => host.end()));
  }

  async #start(jobId: string, command: HostCommand): Promise<CodexHost | undefined> {
    try {
      const host = await CodexHost.start(command, this.#guard, this.#notes);
      this.#started.add(host);
      void host.gone.then(() => this.#forget(jobId, host));
      return host;
    } catch {
      setTimeout(() => this.#ofJobs.delete(jobId), TRY_AGAIN_MS).unref();
      return undefined;
    }
  }

  async #forget(jobId: string, host: CodexHost): Promise<void> {
    await host.end();
    this.#started.delete(host);
    if ((await this.#ofJobs.get(jobId)) === host) this.#ofJobs.delete(jobId);
  }
}
