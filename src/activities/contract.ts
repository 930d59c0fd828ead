/**
 * What the activities take and give: all that workflow code knows of them. Rows and results travel
 * by reference (job, row number); texts that people wrote stay out of the parent's history.
 */
import type {
  Counts,
  FailureClass,
  ItemLimits,
  JobSettings,
  JobSpec,
  JobSummary,
  Json,
  KeptRows,
  Outcome,
  QuotaEnd,
  RerunSpec,
  RowOutcome,
  Usage,
} from '../job.js';
import type { PoolAsk } from '../pool-message.js';

/** A job as activities address it. A worker with another store throws `WrongStore` and is not asked again at once. */
export interface JobRef {
  job_id: string;
  store_id: string;
}

interface OpenedInput {
  store_id: string;
  /** Rows of the input. */
  total: number;
  /** Whether our search attributes are registered: an unregistered one would fail a workflow task. */
  search_attributes: boolean;
  /** Where the output will be, if it is kept in the store. */
  stored_output?: string;
  /** As an earlier job says, where the spec was about rows of one. */
  settings?: JobSettings;
  /** Where rows may have the outcome of an earlier job: the counts with them, and the job's first own batch. */
  kept?: KeptRows;
  counts?: Counts;
  next_batch?: number;
  /** Workers of the job encrypt: what is not encrypted, as workflow IDs, must have no cell. */
  encrypted?: true;
}

/** Run by the workflow's own task queue. */
export interface ControlActivities {
  /**
   * Checks the input and the output path, and snapshots the input. Idempotent for its job, which is told from
   * another one of its ID by its first run. Workflows of earlier workers do not say which that is.
   */
  openInput(job: {
    job_id: string;
    spec: JobSpec | RerunSpec;
    run_id?: string;
  }): Promise<OpenedInput>;
  /** The items of rows `from`, `from + 1`, …: at least one, at most `count`. */
  listItems(page: JobRef & { from: number; count: number }): Promise<ListedItem[]>;
  /**
   * The same of a job that does not start all rows: those that it starts, at most `count` and perhaps none, of
   * rows `from` up to `next`.
   */
  listItemsToStart(
    page: JobRef & { from: number; count: number },
  ): Promise<{ items: [row_index: number, item: ListedItem][]; next: number }>;
  /** The items of some rows, in their order. */
  itemIds(rows: JobRef & { rows: number[] }): Promise<ListedItem[]>;
  /** The row of an item; null where there is none of this ID. */
  rowOf(item: JobRef & { item_id: string }): Promise<number | null>;
  /** Writes a batch of outcomes, once; with a number that other outcomes have, behind all that are there. */
  appendOutcomes(
    batch: JobRef & { batch: number; counts: Counts; outcomes: RowOutcome[] },
  ): Promise<void>;
  /** Whether a row is not to be started, since it is kept of an earlier job as it is. */
  isKept(row: JobRef & { row_index: number }): Promise<boolean>;
  /**
   * How the latest generation of a row has ended; null where the store knows of no end. `kept`: it has done so
   * in an earlier job.
   */
  lastOutcome(
    row: JobRef & { row_index: number },
  ): Promise<{ status: Outcome['status']; generation: number; kept?: true } | null>;
  /** Waits until at least one of the items has closed. */
  awaitItems(wait: ItemsInFlight): Promise<EndedItems>;
  /** Asks the items to end. */
  cancelItems(items: ItemsInFlight): Promise<void>;
  /** Tells a pool what a job wants and holds; starts the pool where there is none. @returns its run ID. */
  askPool(ask: { pool: string; ask: PoolAsk }): Promise<string>;
  /** Waits until a workflow has closed, through all its runs; returns at once where there is none. */
  awaitEnd(wait: { workflow_id: string; run_id?: string }): Promise<void>;
  /** Puts a result that is too large for an outcome into the store. @returns its key. */
  saveResult(result: JobRef & SavedResult): Promise<string>;
  /** For agents that are not processes of ours: what is to be done. */
  describeItem(item: JobRef & { row_index: number }): Promise<ItemTask>;
  /** Writes the output and the summary. @returns why the output could not be written, or null. */
  exportResults(job: JobRef & { summary: JobSummary }): Promise<string | null>;
}

/**
 * An item that has started, by row and first run ID; from its second generation on with that, and with what its
 * row was counted as before, if that was anything.
 */
export type ItemInFlight = [
  row_index: number,
  run_id: string,
  generation?: number,
  was?: Outcome['status'],
];
/** An item's ID; where the job has limits by key, also the keys of its row, in the order of the limits. */
export type ListedItem = string | [item_id: string, ...keys: string[]];

export interface ItemsInFlight extends JobRef {
  items: ItemInFlight[];
}

export interface EndedItems {
  ended: { row_index: number; item_id: string; outcome: Outcome }[];
  /** Items that the server no longer knows: to be run again. */
  gone: [row_index: number, item_id: string][];
}

export interface ItemTask {
  prompt: string;
  row: { [column: string]: Json };
}

interface SavedResult {
  row_index: number;
  /** From the second on. */
  generation?: number;
  result: Json;
}

/** Run by agent workers, on a task queue of their own. */
export interface AgentActivities {
  /** Runs the agent process of one item and ends with it. */
  runAgent(run: AgentRun): Promise<AgentEnd>;
}

export interface AgentRun extends JobRef {
  item_id: string;
  row_index: number;
  /** From the second on. */
  generation?: number;
  attempt: number;
  run: number;
  limits: ItemLimits;
}

/** How an agent process ended. */
export type AgentEnd = {
  /** A valid report that the endpoint took and could not deliver. */
  undelivered_report?: { result: Json; stop: boolean };
  /** Why its last refused report was refused, where the endpoint refused any. */
  refused_report?: string;
  /** How many reports the endpoint refused. */
  refused_reports?: number;
  /** What the agent's output tells. */
  usage?: Usage;
  failure_class?: FailureClass;
  /** Set where it has met a limit, and has not reported. */
  quota?: QuotaEnd;
  /** Key of what it changed in its worktree, where it worked in one and changed something. */
  patch?: string;
} & (
  | { kind: 'exited'; exit_code: number | null; signal: string | null; last_line: string }
  | { kind: 'timed_out'; last_line: string }
  /** It was ended since it had printed and called nothing for `idle_seconds`. */
  | { kind: 'idle'; last_line: string }
  /** It was ended since too many of its reports were refused. */
  | { kind: 'exhausted'; last_line: string }
  | { kind: 'not_started'; error: string }
  /** It was not started, since what had to be done before it failed: its worktree, its setup. */
  | { kind: 'not_prepared'; error: string }
);

/** What a user's own activity gets; what it returns, where it is not undefined, is its result. */
export interface OwnActivityInput extends ItemTask {
  job_id: string;
  item_id: string;
  attempt: number;
  run: number;
  output_schema?: { [key: string]: Json } | boolean;
}
