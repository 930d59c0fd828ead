/** What the page of a job is given: one job, its rows in blocks, and what had to be left out. */

export interface ReportJob {
  job_id: string;
  /** The verdict, or the state of a job that has none. */
  word: string;
  total: number;
  completed: number;
  failed: number;
  cancelled: number;
  /** Null where only the job itself would know. */
  running: number | null;
  pending: number;
  /** Why it was stopped, refused or terminated. */
  reason: string | null;
  usage: ReportUsage | null;
  instruction: string;
  agent: string;
  input: string;
  output: string | null;
  max_concurrency: number;
  /** Milliseconds since 1970, as all times here. */
  started: number | null;
  ended: number | null;
  /** When the page was written: running rows are shown up to then. */
  written: number;
}

export interface ReportUsage {
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  cost_usd?: number;
}

export type RowStatus = 'completed' | 'failed' | 'cancelled' | 'running' | 'pending';

export interface ReportRow {
  /** Row number in the input, from 0. */
  n: number;
  id: string;
  status: RowStatus;
  attempts: number;
  /** Not there where the server has forgotten the row. */
  start?: number;
  end?: number;
  /** Why it failed; `class` is what the agent's output tells of it. */
  reason?: string;
  class?: string;
  error?: string;
  /** JSON text. */
  result?: string;
  /** The cells of the row, as JSON text. */
  input?: string;
  /** The end of what the last run printed. */
  log?: string;
  /** Runs that have left a log. */
  runs?: number;
  cost?: number;
  tokens?: number;
  /** Some of its texts were shortened. */
  clipped?: true;
}

export interface ReportEnd {
  /** Rows on the page: the first ones of the input. */
  listed: number;
  /** Rows of which texts were shortened. */
  clipped: number;
}
