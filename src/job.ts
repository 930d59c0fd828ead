/**
 * The vocabulary of agent-jobs: types and pure rules. Imports nothing, so that workflow code,
 * activities, the client and the command line all speak of the same things.
 *
 * - **job**: one run over one input file; workflow type `agentJob`, workflow ID = `job_id`.
 * - **item**: one row of the input; workflow type `agentJobItem`, workflow ID `<job_id>/<item_id>`.
 * - **agent**: what processes one item: a process, a Temporal activity, or an external party.
 * - **attempt**: a counted try of an item (1, 2, …). **run**: one start of an agent; a start that is
 *   lost with its worker is repeated as a new run of the same attempt.
 * - **report**: the `report_agent_job_result` message.
 * - **outcome**: how an item ended. **verdict**: how a job ended.
 *
 * Names on the wire are snake_case.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Agent programs that are known: how they are started, how they report, what their output tells. */
export const PRESETS = ['codex', 'claude'] as const;
export type Preset = (typeof PRESETS)[number];

/** Who processes an item, as the user states it in the spec. */
export type AgentSpec =
  | ({
      /** Program and arguments. No shell is involved. An argument that is exactly `{prompt}` is replaced by the prompt. */
      command: string[];
    } & AgentSurroundings)
  | ({
      preset: Preset;
      /** Arguments added to the program's own, as `["--model", "…"]`. */
      args?: string[] | undefined;
    } & AgentSurroundings)
  /** No process: somebody else works and reports within `max_runtime_seconds`. */
  | { external: true }
  /** A user's own Temporal activity, in any language. */
  | { activity: string; task_queue: string };

/** What can keep the agents of a job apart from each other and from the files of their user. */
export const ISOLATIONS = ['worktree'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** An agent that a worker starts as a process. */
export type ProcessAgent = Extract<AgentSpec, { command: string[] } | { preset: Preset }>;

export function isProcess(agent: AgentSpec): agent is ProcessAgent {
  return 'command' in agent || 'preset' in agent;
}

/** Where and with what an agent process runs. */
export interface AgentSurroundings {
  /**
   * Absolute working directory, a template as the instruction is. What a row puts into it stays below
   * the folder before the first placeholder. Default: the caller's folder (CLI, client), else the input's.
   */
  workdir?: string | undefined;
  /**
   * `worktree`: each run gets a git worktree of its own of the repository that holds the working
   * directory, at the commit that was checked out when the job was opened. What it changes there is
   * kept as a patch.
   */
  isolate?: Isolation | undefined;
  /** A command line for `/bin/sh`, run in the working directory before each agent. Not a template. */
  setup?: string | undefined;
  /** The same after each agent, however it ended. */
  teardown?: string | undefined;
  /**
   * Variables of the worker's environment that the agent gets beside the ordinary ones and those that
   * its preset needs. `NAME`, or `PREFIX_*`.
   */
  pass_env?: string[] | undefined;
  /**
   * A pattern in RE2 syntax. An agent that ends without a report and with a match in the end of its output
   * has met a limit of what it uses, as those have of which a preset tells so. A group named `reset` is when
   * the limit ends: seconds, a duration, or a time.
   */
  quota_pattern?: string | undefined;
  /** The same of an agent that exits with this code. Where both are given, either counts. */
  quota_exit_code?: number | undefined;
}

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
   * The same as a share of the rows that have ended, 0–100; looked at once {@link MIN_FAILURE_SAMPLE} rows
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
  /** Any of these items; at most {@link MAX_SELECTED_IDS}. */
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
export interface Pool {
  /** 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  name: string;
  size: number;
}

/** What the `pool` query of a pool answers. */
export interface PoolView {
  name: string;
  size: number;
  /** Slots that no job holds. */
  free: number;
  jobs: {
    job_id: string;
    /** Slots that it could use. */
    wants: number;
    /** Slots that it may use. */
    slots: number;
    /** Slots that it may still be using, where some were taken back. */
    held: number;
  }[];
}

/** The part of {@link AgentSpec} that workflows need: which way an item is worked on. */
export type AgentRoute =
  | { kind: 'process' }
  | { kind: 'external' }
  | { kind: 'activity'; activity: string; task_queue: string };

/** What a job may spend; as in {@link JobSpec}. */
export interface Budget {
  max_cost_usd?: number;
  max_tokens?: number;
}

/** What an agent tells of its usage: its tokens, or its tokens and what they cost. */
export type Telling = 'tokens' | 'cost';

/** What the known agents tell. */
export const PRESET_TELLS: Record<Preset, Telling> = { codex: 'tokens', claude: 'cost' };

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

export const FAILURE_REASONS = [
  'no_report',
  'timed_out',
  'agent_error',
  'invalid_report',
  'worker_lost',
] as const;

/**
 * Why an item failed.
 * - `no_report`: the agent ended well and never reported.
 * - `timed_out`: it was still running, or (external) silent, at its deadline; or it gave no sign of life for
 *   `idle_seconds` or `heartbeat_seconds`.
 * - `agent_error`: it ended badly, or could not be started.
 * - `invalid_report`: it ended, and all it ever reported was refused.
 * - `worker_lost`: its worker was lost more often than {@link MAX_LOST_RUNS} allows.
 */
export type FailureReason = (typeof FAILURE_REASONS)[number];

export const FAILURE_CLASSES = [
  'tool_unavailable',
  'permission_denied',
  'model_unreachable',
  'rate_limited',
  'quota',
  'login',
  'refusal',
] as const;

/**
 * What kept an agent from reporting, as its output tells.
 * - `tool_unavailable`: it had no tool to report with.
 * - `permission_denied`: it was not allowed to use it.
 * - `model_unreachable`: its model did not answer.
 * - `rate_limited`: the model's service took no more requests for now.
 * - `quota`: nothing is left of what was paid for.
 * - `login`: the service does not know who asks.
 * - `refusal`: the model would not do it.
 */
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** A result travels inline up to {@link INLINE_RESULT_BYTES}, else by the key it has in the job store. */
export type ResultRef = { inline: Json } | { stored: string };

/** How an item ended: exactly one per item, fixed by the first valid report or by its absence. */
export type Outcome =
  | ({
      status: 'completed';
      result: ResultRef;
      /** ISO 8601, when the report was recorded. */
      reported_at: string;
      /** What the run that reported changed in its worktree: the key of a patch in the job store. */
      patch?: string;
    } & OutcomeCommon)
  | ({
      status: 'failed';
      reason: FailureReason;
      /** What was behind it, where the agent's output tells. */
      failure_class?: FailureClass;
      last_error: string;
      /** Set where its job puts the row back: no row has failed with it in the end. */
      quota?: QuotaEnd;
    } & OutcomeCommon)
  | ({ status: 'cancelled'; last_error: string } & OutcomeCommon);

/** An agent has met a limit of what it uses, which says nothing of its row. */
export interface QuotaEnd {
  /** ISO 8601: when the limit ends, as it has said. */
  resets_at?: string;
}

export interface OutcomeCommon {
  attempt_count: number;
  completed_at: string;
  /** Reports that were refused, over all attempts. Absent where none was. */
  refused_reports?: number;
  /** What the attempts cost, where the agent tells; those lost with their worker are not known. */
  usage?: AttemptUsage[];
  /** Set by the job from 2 on: how often the item has been started, by retries of an operator's or after quota ends. */
  generation?: number;
  /** The item of another job that has come to this outcome, where this job took it from there. */
  origin?: { job_id: string; item_id: string };
}

/** What a model was used for, as its agent tells. */
export interface Usage {
  /** All tokens of the prompts, those from a cache included. */
  input_tokens: number;
  /** Those of them that came from a cache. */
  cached_input_tokens: number;
  output_tokens: number;
  /** US dollars, where the agent gives a price. */
  cost_usd?: number;
}

/** The usage of one attempt, of all its runs together. */
export type AttemptUsage = { attempt: number } & Usage;

/** All tokens, as a budget counts them. */
export function tokensOf({ input_tokens, output_tokens }: Usage): number {
  return input_tokens + output_tokens;
}

/** The sum of two usages; a price where either has one. */
export function addUsage(a: Usage, b: Usage): Usage {
  // To a millionth of a dollar: sums of floats are not as short as what they sum up.
  const cost = Math.round(1e6 * ((a.cost_usd ?? 0) + (b.cost_usd ?? 0))) / 1e6;
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    cached_input_tokens: a.cached_input_tokens + b.cached_input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    ...((a.cost_usd ?? b.cost_usd) !== undefined && { cost_usd: cost }),
  };
}

export type ItemStatus = Outcome['status'] | 'running' | 'pending';

/** An outcome with the row it belongs to (`row_index` counts from 0). */
export type RowOutcome = [row_index: number, outcome: Outcome];

/** Ended items. Rows that are neither ended nor in flight are pending. */
export interface Counts {
  completed: number;
  failed: number;
  cancelled: number;
}

/**
 * Rows that a job does not start: those that have the outcome of an earlier job, and, `pending`, those that
 * have none and were not selected.
 */
export interface KeptRows extends Counts {
  pending: number;
}

export type Verdict = 'succeeded' | 'partial' | 'failed' | 'stopped' | 'cancelled';

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

/** What can be changed of a job that runs; what is not named stays as it is. */
export interface SettingsChange {
  /** Items in flight at once, 1–1000. */
  max_concurrency?: number | undefined;
  /** As in {@link JobSpec}. What was spent before counts. A job that stops for it goes on if there is some left now. */
  max_cost_usd?: number | undefined;
  /** As in {@link JobSpec}. */
  max_tokens?: number | undefined;
  /** As in {@link JobSpec}. */
  deadline?: string | undefined;
  /** As in {@link JobSpec}; `off` ends it. What has started before counts. */
  rate?: string | undefined;
  /** Seconds one agent may run: of rows that start from then on. */
  max_runtime_seconds?: number | undefined;
  /** As in {@link JobSpec}. A job that has halted goes on if what has failed is tolerated now. */
  tolerated_failures?: number | undefined;
  /** As in {@link JobSpec}. */
  tolerated_failure_percentage?: number | undefined;
}

/** What an operator's request that could be read is answered. */
export type ControlAnswer = { accepted: true } | { accepted: false; errors: ReportError[] };

/** A failed item as shown in progress and summary. */
export interface FailureSample {
  item_id: string;
  reason: FailureReason;
  last_error: string;
  /** As in {@link OutcomeCommon}. */
  generation?: number;
  /** Of an encrypted job, whose items' workflows are named by it. */
  row_index?: number;
}

/** What holds now of what can be set while a job runs, beside what progress tells apart. */
export interface SettingsNow {
  max_runtime_seconds: number;
  /** As in {@link JobSpec}; null where there is none. */
  rate: string | null;
  /** As in {@link JobSpec}; null where any number is tolerated. */
  tolerated_failures: number | null;
  /** As in {@link JobSpec}; null where any share is tolerated. */
  tolerated_failure_percentage: number | null;
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
  /** At most {@link MAX_FAILURE_SAMPLES}. */
  failures: FailureSample[];
  /** Of the rows above, where some were not to be started. */
  kept?: KeptRows;
  started_at: string;
  ended_at: string;
}

/** The message an agent sends. IDs and run, where given, must match the item. */
export interface Report {
  result: Json;
  /** Also stop the job: no more rows are started. */
  stop?: boolean | undefined;
  job_id?: string | undefined;
  item_id?: string | undefined;
  run?: number | undefined;
}

/** What a reporter is told. */
export type ReportAnswer =
  { accepted: true; duplicate?: true } | { accepted: false; errors: ReportError[] };

export interface ReportError {
  /** JSON Pointer into the result; empty for the report as a whole. */
  path: string;
  message: string;
}

/**
 * What a worker may be there for alone.
 * - `workflows`: the jobs and their items, the input and the output. It starts no agents.
 * - `agents`: the agents, and nothing else.
 */
export const WORKER_ROLES = ['workflows', 'agents'] as const;
export type WorkerRole = (typeof WORKER_ROLES)[number];

export const DEFAULT_TASK_QUEUE = 'agent-jobs';
export const DEFAULT_MAX_CONCURRENCY = 16;
export const DEFAULT_LIMITS: ItemLimits = {
  max_runtime_seconds: 1800,
  max_attempts: 1,
  report_grace_seconds: 5,
  exit_grace_seconds: 30,
  max_result_bytes: 262_144,
};

/** Pending children and activities are limited to 2,000 per workflow by the server. */
export const MAX_CONCURRENCY = 1000;
export const MAX_POOL_SIZE = 10_000;
/** Columns with limits: of each row and column, a job is told a hash. */
export const MAX_KEYED_LIMITS = 5;
/** Payloads are limited to 2 MB by the server; a report needs room around its result. */
export const MAX_RESULT_BYTES = 1_048_576;
/** The schema travels to every child, so it has to stay small against a history. */
export const MAX_SCHEMA_BYTES = 32_768;
export const INLINE_RESULT_BYTES = 4096;
/** An outcome stays under 2 KiB beside its inline result. */
export const MAX_ERROR_CHARS = 500;
export const MAX_FAILURE_SAMPLES = 5;
/** Attempts of which an outcome gives the usage one by one; those before are summed up in the first. */
export const MAX_USAGE_ENTRIES = 8;
/** Refused reports after which a run is ended: an agent that does not find the schema is not let go on for ever. */
export const MAX_REFUSED_REPORTS = 10;
/** What the command before an agent may take, and the one after it; not part of the agent's time. */
export const MAX_SETUP_SECONDS = 600;
export const MAX_TEARDOWN_SECONDS = 60;
/** A larger patch is not kept. */
export const MAX_PATCH_BYTES = 64 * 1024 * 1024;
/** Rows that have to have ended before a share of failures means something; all, where the job has fewer. */
export const MIN_FAILURE_SAMPLE = 20;
/** IDs that may select the rows of a rerun: the spec is one payload of 2 MB. */
export const MAX_SELECTED_IDS = 10_000;
/** Runs of one attempt that may be lost with their worker before the item fails. */
export const MAX_LOST_RUNS = 5;

/**
 * A job ID names a workflow, a folder and a part of item workflow IDs.
 * @returns what is wrong with it, or undefined.
 */
export function jobIdProblem(jobId: string): string | undefined {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(jobId)) {
    return 'a job ID is 1 to 128 characters of A-Z a-z 0-9 . _ -';
  }
  if (/^\.+$/.test(jobId)) return 'a job ID is more than dots';
  return undefined;
}

/** `<stem>.agent-job-<job_id first 8>.csv` beside the input. */
export function defaultOutputPath(csvPath: string, jobId: string): string {
  const name = csvPath.slice(csvPath.lastIndexOf('/') + 1);
  const folder = csvPath.slice(0, csvPath.length - name.length);
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  return `${folder}${stem}.agent-job-${jobId.slice(0, 8)}.csv`;
}

/** Where the output of a job is kept in the store, for a caller that wants it at a path. */
export function outputKey(path: string): string {
  return path.toLowerCase().endsWith('.jsonl') ? 'output.jsonl' : 'output.csv';
}

export function ended(counts: Counts): number {
  return counts.completed + counts.failed + counts.cancelled;
}

/** The verdict: the first rule that matches. */
export function verdictOf(job: {
  counts: Counts;
  total: number;
  cancelled: boolean;
  /** More rows have failed than are tolerated. */
  halted: boolean;
  /** Its deadline has ended agents. */
  cutOff?: boolean;
}): Verdict {
  const { counts, total } = job;
  const pending = total - ended(counts);
  if (job.cancelled && (pending > 0 || counts.cancelled > 0)) return 'cancelled';
  if (job.halted || (counts.completed === 0 && counts.failed > 0)) return 'failed';
  if (pending > 0 || job.cutOff === true) return 'stopped';
  if (counts.completed === total) return 'succeeded';
  return 'partial';
}

/** Cuts a text for people so that it stays within `max` characters, and says that it did. */
export function clip(text: string, max: number = MAX_ERROR_CHARS): string {
  if (text.length <= max) return text;
  // toWellFormed: the cut may fall between the two halves of a character.
  return `${text.slice(0, max - 1).toWellFormed()}…`;
}
