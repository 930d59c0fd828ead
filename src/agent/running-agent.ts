import type { OutputTail } from './output-tail.js';

export interface AgentExit {
  exit_code: number | null;
  signal: string | null;
}

/** The agent of one run, whatever it is for the system: a process of its own, a conversation of a host. */
export interface RunningAgent {
  /** What it printed, as it came. */
  readonly output: OutputTail;
  /** When the agent itself has ended; what it started may live on. */
  readonly exited: Promise<AgentExit>;
  /** When it last gave a sign of life, by the clock of `performance.now`. */
  readonly lastSignAt: number;
  /** Whether the agent runs, or what it has started. */
  alive(): Promise<boolean>;
  /** What it last said. */
  lastLine(): string;
  /** Ends it and all that it has started; returns when that is gone and its output is read. */
  end(): Promise<void>;
}
