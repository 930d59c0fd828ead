/** What holds for a job, as its workflows carry it and as it can be changed while it runs. */
import type { AgentRoute, Telling } from './agent.js';
import type { Json } from './json.js';
import type { Pool } from './pool.js';

/** What a job may spend; as in `JobSpec`. */
export interface Budget {
  max_cost_usd?: number;
  max_tokens?: number;
}

/** Limits of one item, with every default filled in. */
export interface ItemLimits {
  max_runtime_seconds: number;
  max_attempts: number;
  idle_seconds?: number;
  heartbeat_seconds?: number;
  report_grace_seconds: number;
  exit_grace_seconds: number;
  max_result_bytes: number;
}

/**
 * The spec as the parent workflow carries it: validated, defaults filled in, and without the
 * instruction and the command, which may be long and are read from the job store by reference.
 */
export interface JobSettings {
  csv_path: string;
  output_csv_path: string;
  max_concurrency: number;
  budget?: Budget;
  deadline?: string;
  /** Absent once the job has been paused for it. */
  sample?: number;
  /** What the agents tell of their usage; absent where nothing. */
  tells?: Telling;
  rate?: string;
  keyed_limits?: { [column: string]: number };
  pool?: Pool;
  tolerated_failures?: number;
  tolerated_failure_percentage?: number;
  agent: AgentRoute;
  limits: ItemLimits;
  output_schema?: { [key: string]: Json } | boolean;
}

/** What can be changed of a job that runs; what is not named stays as it is. */
export interface SettingsChange {
  /** Items in flight at once, 1–1000. */
  max_concurrency?: number | undefined;
  /** As in `JobSpec`. What was spent before counts. A job that stops for it goes on if there is some left now. */
  max_cost_usd?: number | undefined;
  /** As in `JobSpec`. */
  max_tokens?: number | undefined;
  /** As in `JobSpec`. */
  deadline?: string | undefined;
  /** As in `JobSpec`; `off` ends it. What has started before counts. */
  rate?: string | undefined;
  /** Seconds one agent may run: of rows that start from then on. */
  max_runtime_seconds?: number | undefined;
  /** As in `JobSpec`. A job that has halted goes on if what has failed is tolerated now. */
  tolerated_failures?: number | undefined;
  /** As in `JobSpec`. */
  tolerated_failure_percentage?: number | undefined;
}

/** What holds now of what can be set while a job runs, beside what progress tells apart. */
export interface SettingsNow {
  max_runtime_seconds: number;
  /** As in `JobSpec`; null where there is none. */
  rate: string | null;
  /** As in `JobSpec`; null where any number is tolerated. */
  tolerated_failures: number | null;
  /** As in `JobSpec`; null where any share is tolerated. */
  tolerated_failure_percentage: number | null;
}
