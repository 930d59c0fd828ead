import type { FailureClass, Usage } from '../../job.js';

/** What is known of an agent program, beside how any command is run. */
export interface AgentProgram {
  /** As people call it. */
  title: string;
  executable: string;
  /** Where it comes from, for who has to install it. */
  npmPackage: string;
  /** The first version that takes the arguments below. */
  minVersion: string;
  /**
   * Arguments that have it work without a terminal, report by MCP and print its events, to be followed by
   * the user's own. The prompt comes on standard input.
   */
  args(report: ReportAccess): string[];
  /**
   * How one process of it runs the agents of many rows, where it can.
   * @param own the user's own arguments.
   * @returns its arguments; undefined where only a process for each row takes the user's.
   */
  hosting?: { args(own: string[]): string[] | undefined; offered(run: Run): Promise<boolean> };
  /** Variables of the worker's environment that it needs: `NAME` or `PREFIX_*`. */
  passEnv(environment: NodeJS.ProcessEnv): string[];
  /** Variables set for it. */
  env: Record<string, string>;
  /**
   * Finds out what more arguments it takes on this host, before the first run of a worker.
   */
  discover?(run: Run): Promise<string[]>;
  /** Reads the events of one run. */
  reader(): EventReader;
}

/** Runs a program and gives what it prints. */
export type Run = (...args: string[]) => Promise<string>;

/** How a program reaches the report endpoint. The token itself stays in the environment. */
interface ReportAccess {
  mcpUrl: string;
  tokenVariable: string;
}

/** Reads what a program prints, line by line. */
export interface EventReader {
  line(line: string): void;
  /** What the lines so far tell. @param errors the end of what it printed on standard error. */
  told(errors: string): Told;
}

export interface Told {
  usage?: Usage;
  failure_class?: FailureClass;
  /** What went wrong, or what it said last. */
  message?: string;
  /** When the limit ends that it has met, where that is more than a part of the message; ms since the epoch. */
  resets_at?: number;
}
