/** What is told of a job: while it runs, and at its end. */
import type { FailureReason } from './outcome.js';
import type { Budget, SettingsNow } from './settings.js';
import type { Usage } from './usage.js';
import type { Counts, KeptRows, Verdict } from './verdict.js';

/** Why no rows are started for now. */
export interface Pause {
  reason: string;
  /** ISO 8601. */
  since: string;
  /** ISO 8601; null where only a person ends it. */
  until: string | null;
  /** The rows of a sample have ended: whether to go on is for a person to say. */
  sample?: true;
}

/** A failed item as shown in progress and summary. */
export interface FailureSample {
  item_id: string;
  reason: FailureReason;
  last_error: string;
  /** As in `OutcomeCommon`. */
  generation?: number;
  /** Of an encrypted job, whose items' workflows are named by it. */
  row_index?: number;
}

/** What the `progress` query answers. */
export interface JobProgress extends Counts {
  /** Of the rows that have ended, and of those that were put back; null where no agent has told. */
  usage: Usage | null;
  /** What it may spend; null where that is not limited. */
  budget: Budget | null;
  job_id: string;
  state: 'opening' | 'running' | 'paused' | 'stopping' | 'cancelling' | 'exporting' | 'closed';
  total: number;
  pending: number;
  running: number;
  max_concurrency: number;
  /** Set where no rows are started for now; those that run go on. */
  paused: Pause | null;
  /** What else keeps a row from starting just now, though `max_concurrency` would let it; for people. */
  waiting_for: string | null;
  /** Rows ended per second over the last minute or so; null until known. */
  rows_per_second: number | null;
  /** Seconds to the end at that rate; null until known. */
  eta_seconds: number | null;
  stop_reason: string | null;
  /** Set where more rows have failed than are tolerated: no more are started. */
  halt_reason: string | null;
  last_failures: FailureSample[];
  /** ISO 8601: when it is to be over; null where it has no deadline. */
  deadline: string | null;
  settings: SettingsNow;
  /** Of the rows above, where some are not to be started. */
  kept?: KeptRows;
  /** Empty while a rerun opens the job of which it takes the name. */
  output_csv_path: string;
  started_at: string;
}

/** What the job's workflow returns (as failure details where the verdict is `failed`). */
export interface JobSummary extends Counts {
  /** Of the rows that have ended, and of those that were put back; null where no agent has told. */
  usage: Usage | null;
  job_id: string;
  verdict: Verdict;
  total: number;
  pending: number;
  output_csv_path: string;
  /** Where the job store has the output, if the workers do not see the caller's files: a path or a URL. */
  stored_output?: string;
  /** Set where the output could not be written; `agent-jobs results JOB --output PATH` recovers. */
  output_error: string | null;
  stop_reason: string | null;
  /** Set where more rows have failed than are tolerated. */
  halt_reason: string | null;
  /** At most `MAX_FAILURE_SAMPLES`. */
  failures: FailureSample[];
  /** Of the rows above, where some were not to be started. */
  kept?: KeptRows;
  started_at: string;
  ended_at: string;
}
