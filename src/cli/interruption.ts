import { Interrupted } from './errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Ctrl-C while a job is followed: ends the command, and leaves the job as it is. */
export class Interruption {
  /** Rejects with {@link Interrupted} when the command is to end. */
  readonly promise: Promise<never>;
  /** Ends the command as Ctrl-C does. */
  readonly interrupt: () => void;

  constructor(jobId: string) {
    let interrupt!: () => void;
    this.promise = new Promise<never>((_, reject) => {
      interrupt = () =>
        reject(
          new Interrupted(`job ${jobId} goes on. To watch it again: agent-jobs watch ${jobId}`),
        );
    });
    // It may come before anybody waits for it.
    this.promise.catch(() => {});
    this.interrupt = interrupt;
    for (const signal of SIGNALS) process.once(signal, interrupt);
  }

  /** From here on, Ctrl-C does what it does elsewhere. */
  off(): void {
    for (const signal of SIGNALS) process.off(signal, this.interrupt);
  }
}
