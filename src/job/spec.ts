/** What users ask for. */
import type { AgentSpec } from './agent.js';
import type { Json } from './json.js';
import type { Pool } from './pool.js';

/** What a user asks for: the input of the `agentJob` workflow. Paths are absolute. */
export interface JobSpec {
  /** CSV (RFC 4180), or JSON Lines where the name ends in `.jsonl` or `.ndjson`. */
  csv_path: string;
  /**
   * Set by clients whose workers see only the job store, and not the caller's files: `input/…`, the key of
   * the input in the job's part of the store. `csv_path` then only names it, and the output is kept in
   * the store as well, for whoever waits for the job or asks for its results.
   */
  input_key?: string | undefined;
  /** The task, a template: `{column}` is replaced by the row's cell. */
  instruction: string;
  agent: AgentSpec;
  /** Column whose cells name the items. Default: items are `row-1`, `row-2`, … */
  id_column?: string | undefined;
  /** Ends in `.csv` or `.jsonl`. Default: `<stem>.agent-job-<job_id first 8>.csv` beside the input. */
  output_csv_path?: string | undefined;
  /** Replace an output file that exists and is not this job's. Default: false. */
  overwrite?: boolean | undefined;
  /** JSON Schema (2020-12) that every result must meet. */
  output_schema?: { [key: string]: Json } | boolean | undefined;
  /** Items in flight at once, 1–1000. Default: 16. */
  max_concurrency?: number | undefined;
  /**
   * Rows that may start in a second, a minute or an hour, evenly over the time: `2/s`, `30/m`, `500/h`.
   * After a while without, those of one second start at once, one row at least. Default, or `off`: any.
   */
  rate?: string | undefined;
  /**
   * Columns, and how many rows of the same value there may be in flight at once: `{"account": 4}`. Rows whose
   * value has so many are passed over, and started later.
   */
  keyed_limits?: { [column: string]: number } | undefined;
  /**
   * A limit shared with other jobs of the namespace: no more rows of all jobs that name the pool are in flight
   * at once than it has slots. Where they do not agree on the size, the smallest holds.
   */
  pool?: Pool | undefined;
  /** Seconds one agent may run, counted from its start. Default: 1800. */
  max_runtime_seconds?: number | undefined;
  /** Tries of an item before it is failed; what another try would meet again is not tried. Default: 1. */
  max_attempts?: number | undefined;
  /**
   * What the agents may cost together, in US dollars: the job stops before it is spent, as far as what
   * rows have cost so far tells. For agents that tell it: the preset `claude`. Default: any amount.
   */
  max_cost_usd?: number | undefined;
  /** The same in tokens, in and out, those from a cache included; for presets. Default: any number. */
  max_tokens?: number | undefined;
  /** So many rows first, those at the head of the input: the job is then paused until it is resumed. Default: none. */
  sample?: number | undefined;
  /**
   * ISO 8601: when the job is to be over. Then no more rows start, agents that run are ended, and their rows
   * are `cancelled`. Default: never.
   */
  deadline?: string | undefined;
  /** Failed rows beyond which the job halts: 0 halts it at the first. Default: any number is tolerated. */
  tolerated_failures?: number | undefined;
  /**
   * The same as a share of the rows that have ended, 0–100; looked at once `MIN_FAILURE_SAMPLE` rows
   * have ended, or all. Default: any share is tolerated.
   */
  tolerated_failure_percentage?: number | undefined;
  /**
   * Seconds for which an agent process may print nothing and call nothing before it is ended, and the attempt
   * has `timed_out`, 1 and up. Default: any time within `max_runtime_seconds`.
   */
  idle_seconds?: number | undefined;
  /**
   * Seconds for which an external agent may send no heartbeat before the attempt has `timed_out`, 1 and up; for
   * an activity, its heartbeat timeout. Default: any time within `max_runtime_seconds`.
   */
  heartbeat_seconds?: number | undefined;
  /** Seconds to wait, after an agent has ended, for a report that travels apart from it. Default: 5. */
  report_grace_seconds?: number | undefined;
  /** Seconds an agent may go on after its accepted report before it is ended. Default: 30. */
  exit_grace_seconds?: number | undefined;
  /** Largest result, as bytes of its JSON text. Default: 262144; at most 1 MiB. */
  max_result_bytes?: number | undefined;
  /**
   * Take the result of a row that an earlier job in this store has completed, with the same instruction, schema
   * and agent, and start no agent for it. Default: false.
   */
  reuse?: boolean | undefined;
  /**
   * `csv_path` is the output of an earlier job: run these of its rows again, and keep what became of the others.
   * {@link RerunSpec} is about a job that is still in the store.
   */
  rerun_of?: RowSelection | undefined;
}

/** What can be said of a row that is to be run again: how it ended the last time, if at all. */
export const RERUN_STATUSES = ['failed', 'cancelled', 'pending'] as const;
export type RerunStatus = (typeof RERUN_STATUSES)[number];

/**
 * Rows of an earlier job that are to be run again: those that meet all that is given here. Where nothing is
 * given, those that have not completed.
 */
export interface RowSelection {
  /** Any of them. */
  statuses?: RerunStatus[] | undefined;
  /** The row's cells, as text, in all of these columns. */
  where?: { [column: string]: string } | undefined;
  /** Any of these items; at most `MAX_SELECTED_IDS`. */
  item_ids?: string[] | undefined;
}

/**
 * The input of the `agentJob` workflow for rows of an earlier job: which, and what is to be different. All
 * else is as in that job; `output_csv_path` and `overwrite` have their defaults.
 */
export type RerunSpec = JobChanges & { rerun_of: RowSelection & { job_id: string } };

/** What can be different from an earlier job where rows of it are run again. */
export type JobChanges = {
  [field in Exclude<keyof JobSpec, FixedByFirstJob | 'rerun_of'>]?: JobSpec[field] | undefined;
};

/** What rows and their IDs come from. */
export type FixedByFirstJob = 'csv_path' | 'input_key' | 'id_column';
