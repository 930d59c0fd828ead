import type { ItemInFlight } from '../activities/contract.js';
import {
  type AttemptUsage,
  type Counts,
  type FailureSample,
  type JobProgress,
  type JobSettings,
  type JobSummary,
  type KeptRows,
  type Outcome,
  type Pause,
  type Usage,
  type Verdict,
  MAX_FAILURE_SAMPLES,
  addUsage,
  clip,
  ended,
} from '../job.js';
import { budgetSpent } from './budget.js';
import type { QuotaState } from './quota-breaker.js';
import type { ItemName } from '../messages.js';
import type { PoolState } from './pool-gate.js';

/**
 * A row that is to be started again, as which generation of its item, and as what it was counted before:
 * what it is again if it is not started after all. `retried` where an operator has asked for it, and it has not been
 * started since: whose outcome it had, this job's or an earlier one's.
 */
export type QueuedRow = [
  row_index: number,
  generation: number,
  was: Outcome['status'] | null,
  retried?: 'own' | 'kept',
];

/**
 * What a job carries from one run to the next when it continues as new: counts, settings, row
 * numbers and run IDs. Rows, results and item IDs stay in the job store; under 100 KB.
 */
export interface JobState {
  store_id: string;
  settings: JobSettings;
  /** As in {@link JobSummary}. */
  stored_output?: string;
  search_attributes: boolean;
  /** As openInput tells; absent where the job is not encrypted. */
  encrypted?: true;
  total: number;
  /** The next row to start. */
  next_row: number;
  counts: Counts;
  /** Rows that are not started, where there are such; they are in the counts. */
  kept?: KeptRows;
  /** Items that have started and not settled. */
  in_flight: ItemInFlight[];
  /** Rows to be started before the next one. */
  queue: QueuedRow[];
  /** Rows after the next one that have an outcome already, and are not started. */
  skipped: number[];
  /** Set by a person. */
  paused: Pause | null;
  quota?: QuotaState;
  /** When as many rows may start at once again as the rate allows, ms since the epoch. */
  rate_full_at?: number;
  /** Rows before the next one that have not been started, since their limits were reached; in input order. */
  passed_over?: number[];
  /** Where it has one. */
  pool?: PoolState;
  /** The next batch of outcomes. */
  next_batch: number;
  stop_reason: string | null;
  /** As in {@link JobSummary}. */
  halt_reason: string | null;
  failures: FailureSample[];
  usage: Usage | null;
  /** Absent before the first item has ended. */
  told?: Told;
  started_at: string;
  /** Ended rows at points in time, for the rate of late. */
  samples: [at_ms: number, ended: number][];
}

/** How many items have ended, and how many of them have told their tokens, and their cost. */
interface Told {
  ended: number;
  tokens: number;
  cost: number;
}

/** The state of a job whose input is not open yet. */
export function newState(settings: JobSettings, startedAt: Date): JobState {
  return {
    store_id: '',
    settings,
    search_attributes: false,
    total: 0,
    next_row: 0,
    counts: { completed: 0, failed: 0, cancelled: 0 },
    in_flight: [],
    queue: [],
    skipped: [],
    paused: null,
    next_batch: 0,
    stop_reason: null,
    halt_reason: null,
    failures: [],
    usage: null,
    started_at: startedAt.toISOString(),
    samples: [],
  };
}

const SAMPLE_EVERY_MS = 5000;
const MAX_SAMPLES = 12;
const MAX_SAMPLE_ERROR_CHARS = 200;

/** Counts an item that has ended. */
export function addOutcome(
  state: JobState,
  { item_id, row_index }: ItemName,
  outcome: Outcome,
): void {
  const { counts, failures } = state;
  state.counts = { ...counts, [outcome.status]: counts[outcome.status] + 1 };
  addUsageOf(state, outcome);
  countTold(state, outcome);
  if (outcome.status !== 'failed') return;
  const last_error = clip(outcome.last_error, MAX_SAMPLE_ERROR_CHARS);
  const { reason, generation } = outcome;
  const failure = {
    item_id,
    reason,
    last_error,
    ...(generation !== undefined && { generation }),
    ...(state.encrypted && { row_index }),
  };
  state.failures = [...failures, failure].slice(-MAX_FAILURE_SAMPLES);
}

/** Counts what an item has used, whatever becomes of its row. */
export function addUsageOf(state: JobState, outcome: Outcome): void {
  for (const usage of outcome.usage ?? []) state.usage = sumOf(state.usage, usage);
}

function countTold(state: JobState, { usage = [] }: Outcome): void {
  const { ended: before, tokens, cost } = state.told ?? { ended: 0, tokens: 0, cost: 0 };
  const priced = usage.some(({ cost_usd }) => cost_usd !== undefined);
  state.told = {
    ended: before + 1,
    tokens: tokens + (usage.length > 0 ? 1 : 0),
    cost: cost + (priced ? 1 : 0),
  };
}

/** Counts an item that has ended as pending again. @param kept whether that was in an earlier job. */
export function takeBack(
  state: JobState,
  item_id: string,
  was: Outcome['status'],
  kept: boolean,
): void {
  const { counts, failures } = state;
  state.counts = { ...counts, [was]: counts[was] - 1 };
  if (kept && state.kept !== undefined) {
    state.kept = { ...state.kept, [was]: state.kept[was] - 1 };
  }
  state.failures = failures.filter((failure) => failure.item_id !== item_id);
}

/** Rows that were to be started again and will not be are what they were before. */
export function leaveAsWere(state: JobState): void {
  for (const row of state.queue) leaveAsWas(state, row);
  state.queue = [];
}

/** The same of a row that is in the queue no more. */
export function leaveAsWas(state: JobState, [, , was, retried]: QueuedRow): void {
  if (was === null) return;
  const { counts, kept } = state;
  state.counts = { ...counts, [was]: counts[was] + 1 };
  if (retried === 'kept' && kept !== undefined) state.kept = { ...kept, [was]: kept[was] + 1 };
}

/** Rows that the job has done itself, none of an earlier one. */
export function endedHere({ counts, kept }: JobState): number {
  return ended(counts) - (kept === undefined ? 0 : ended(kept));
}

/** Rows that have not ended and are to be run; those that run are among them. */
export function leftToRun({ total, counts, kept }: JobState): number {
  return total - ended(counts) - (kept?.pending ?? 0);
}

/** Why the job starts no more rows, whatever is asked of it; null where it does. */
export function startsNoMore(job: JobState): string | null {
  const { stop_reason, halt_reason } = job;
  if (stop_reason !== null) return 'the job has been stopped: it starts no more rows';
  const spent = budgetSpent(job);
  if (spent !== null) return `the job starts no more rows, ${spent}`;
  if (halt_reason !== null) return `the job has halted and starts no more rows: ${halt_reason}`;
  return null;
}

function sumOf(sum: Usage | null, { attempt: _attempt, ...usage }: AttemptUsage): Usage {
  return sum === null ? usage : addUsage(sum, usage);
}

/** Notes the throughput, at most every five seconds. */
export function sample(state: JobState, nowMs: number): void {
  const last = state.samples.at(-1);
  if (last !== undefined && nowMs - last[0] < SAMPLE_EVERY_MS) return;
  const next: JobState['samples'][number] = [nowMs, ended(state.counts)];
  state.samples = [...state.samples, next].slice(-MAX_SAMPLES);
}

/** How the job stands, as only its running workflow knows. */
export interface Standing {
  phase: JobProgress['state'];
  /** Items in flight. */
  running: number;
  paused: Pause | null;
  /** What rows wait for. */
  waitsFor: string[];
}

export function progressOf(
  jobId: string,
  state: JobState,
  { phase, running, paused, waitsFor }: Standing,
): JobProgress {
  const { total, counts, settings } = state;
  const left = total - ended(counts);
  const rate = rateOf(state);
  return {
    job_id: jobId,
    state: phase,
    total,
    ...counts,
    running,
    pending: left - running,
    max_concurrency: settings.max_concurrency,
    paused,
    waiting_for: waitsFor.length === 0 ? null : waitsFor.join(', '),
    rows_per_second: rate,
    eta_seconds: rate !== null && rate > 0 ? leftToRun(state) / rate : null,
    stop_reason: state.stop_reason ?? budgetSpent(state),
    halt_reason: state.halt_reason,
    budget: settings.budget ?? null,
    deadline: settings.deadline ?? null,
    settings: {
      max_runtime_seconds: settings.limits.max_runtime_seconds,
      rate: settings.rate ?? null,
      tolerated_failures: settings.tolerated_failures ?? null,
      tolerated_failure_percentage: settings.tolerated_failure_percentage ?? null,
    },
    last_failures: state.failures,
    ...(state.kept !== undefined && { kept: state.kept }),
    usage: state.usage,
    output_csv_path: settings.output_csv_path,
    started_at: state.started_at,
  };
}

function rateOf({ samples, counts }: JobState): number | null {
  const first = samples[0];
  if (first === undefined) return null;
  const seconds = (Date.now() - first[0]) / 1000;
  return seconds >= 1 ? (ended(counts) - first[1]) / seconds : null;
}

export function summaryOf(jobId: string, state: JobState, verdict: Verdict, now: Date): JobSummary {
  return {
    job_id: jobId,
    verdict,
    total: state.total,
    ...state.counts,
    pending: state.total - ended(state.counts),
    output_csv_path: state.settings.output_csv_path,
    ...(state.stored_output !== undefined && { stored_output: state.stored_output }),
    output_error: null,
    stop_reason: state.stop_reason,
    halt_reason: state.halt_reason,
    failures: state.failures,
    ...(state.kept !== undefined && { kept: state.kept }),
    usage: state.usage,
    started_at: state.started_at,
    ended_at: now.toISOString(),
  };
}
