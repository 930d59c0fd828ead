import {
  type AttemptUsage,
  type Counts,
  type FailureSample,
  type JobProgress,
  type JobSettings,
  type JobSummary,
  type Outcome,
  type Usage,
  type Verdict,
  MAX_FAILURE_SAMPLES,
  addUsage,
  clip,
  ended,
} from '../job.js';

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
  total: number;
  /** The next row to start. */
  next_row: number;
  counts: Counts;
  /** Items that have started and not settled, with their first run ID. */
  in_flight: [row_index: number, run_id: string][];
  /** The next batch of outcomes. */
  next_batch: number;
  stop_reason: string | null;
  failures: FailureSample[];
  usage: Usage | null;
  started_at: string;
  /** Ended rows at points in time, for the rate of late. */
  samples: [at_ms: number, ended: number][];
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
    next_batch: 0,
    stop_reason: null,
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
export function addOutcome(state: JobState, item_id: string, outcome: Outcome): void {
  const { counts, failures } = state;
  state.counts = { ...counts, [outcome.status]: counts[outcome.status] + 1 };
  for (const usage of outcome.usage ?? []) state.usage = sumOf(state.usage, usage);
  if (outcome.status !== 'failed') return;
  const last_error = clip(outcome.last_error, MAX_SAMPLE_ERROR_CHARS);
  const failure = { item_id, reason: outcome.reason, last_error };
  state.failures = [...failures, failure].slice(-MAX_FAILURE_SAMPLES);
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

/** What is known of a job before its input is open. */
export interface JobSoFar {
  jobId: string;
  startedAt: Date;
  phase: JobProgress['state'];
  stopReason: string | null;
}

export function progressOf(
  { jobId, startedAt, phase, stopReason }: JobSoFar,
  state: JobState | undefined,
  running: number,
): JobProgress {
  const counts = state?.counts ?? { completed: 0, failed: 0, cancelled: 0 };
  const total = state?.total ?? 0;
  const left = total - ended(counts);
  const rate = state === undefined ? null : rateOf(state);
  return {
    job_id: jobId,
    state: phase,
    total,
    ...counts,
    running,
    pending: left - running,
    rows_per_second: rate,
    eta_seconds: rate !== null && rate > 0 ? left / rate : null,
    stop_reason: stopReason,
    last_failures: state?.failures ?? [],
    usage: state?.usage ?? null,
    output_csv_path: state?.settings.output_csv_path ?? '',
    started_at: state?.started_at ?? startedAt.toISOString(),
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
    failures: state.failures,
    usage: state.usage,
    started_at: state.started_at,
    ended_at: now.toISOString(),
  };
}
