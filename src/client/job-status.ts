import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import {
  ApplicationFailure,
  CancelledFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import {
  type Budget,
  type Counts,
  type JobProgress,
  type JobSummary,
  type KeptRows,
  type Pause,
  type SettingsNow,
  type Usage,
  type Verdict,
  ended,
} from '../job.js';
import { asSummary } from '../outcome-check.js';
import { INVALID_INPUT_FAILURE, SUMMARY_MEMO, progressQuery } from '../messages.js';
import type { StoredJob } from '../store/job-store.js';
import { lackedKey } from '../undecodable.js';
import { decoded } from './decoded.js';
import { taskProblem } from './task-problem.js';

/** How a job stands, and how old that is. */
export interface JobStatus extends Counts {
  job_id: string;
  /**
   * `opening` … `closed` as the running job tells; `unreachable` where it runs and no worker answers;
   * `refused` where its input was; `terminated` where it has ended in another way than of its own;
   * `unreadable`, in a list of jobs alone, where its key is not here: all else is unknown.
   */
  state: JobProgress['state'] | 'unreachable' | 'terminated' | 'refused' | 'unreadable';
  verdict: Verdict | null;
  total: number;
  pending: number;
  /** Null where only the workflow itself would know. */
  running: number | null;
  rows_per_second: number | null;
  eta_seconds: number | null;
  stop_reason: string | null;
  /** Set where more rows have failed than are tolerated. */
  halt_reason: string | null;
  /** As the running job tells; null where it does not. */
  max_concurrency: number | null;
  /** Set where no rows are started for now; those that run go on. */
  paused: Pause | null;
  /** What it may spend; null where that is not limited, or it is not known. */
  budget: Budget | null;
  /** ISO 8601: when it is to be over; null where it has no deadline, or it is not known. */
  deadline: string | null;
  /** Null where it is not known. */
  settings: SettingsNow | null;
  /** What else keeps a row from starting just now, though `max_concurrency` would let it; for people. */
  waiting_for: string | null;
  output_csv_path: string | null;
  /** Where the job store has the output of a job that has closed, if it is kept there for the caller. */
  stored_output: string | null;
  output_error: string | null;
  failures: JobProgress['last_failures'];
  /** Of the rows above, where some are not started: as in {@link JobProgress}. */
  kept?: KeptRows;
  /** Of the rows that have ended; null where it is not known. */
  usage: Usage | null;
  /** Why it was refused or terminated; of one that is unreachable, why its worker cannot work on it. */
  error: string | null;
  /** ISO 8601: the time of these figures. */
  as_of: string;
  started_at: string | null;
  ended_at: string | null;
}

/** No job of this ID, neither on the server nor in the store. */
export class JobNotFound extends Error {
  override name = 'JobNotFound';
}

/** A worker answers in milliseconds; without one, the server would hold the query for longer. */
const QUERY_TIMEOUT_MS = 3000;

/**
 * Asks the job itself where it runs and a worker answers; else tells what the server's description and
 * the store hold.
 * @throws {JobNotFound}; {@link Undecodable} where it is encrypted and its key is not here.
 */
export async function jobStatus(client: Client, stored: StoredJob): Promise<JobStatus> {
  const handle = client.workflow.getHandle(stored.jobId);
  const description = await describe(handle);
  if (description?.status.name === 'RUNNING') {
    const progress = await queryProgress(client, handle);
    if (progress !== undefined) return ofProgress(decoded(`job ${stored.jobId}`, progress));
  }
  const left = description?.memo?.[SUMMARY_MEMO];
  // What nobody can decode is as if it were not there.
  if (lackedKey(left) !== undefined) decoded(`job ${stored.jobId}`, left);
  const summary = asSummary(left) ?? (await stored.summary());
  if (summary !== undefined && description?.status.name !== 'RUNNING') return ofSummary(summary);
  return ofStore(client, stored, handle, description);
}

async function describe(handle: WorkflowHandle): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await handle.describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

async function queryProgress(
  client: Client,
  handle: WorkflowHandle,
): Promise<JobProgress | undefined> {
  try {
    return await client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
      handle.query(progressQuery),
    );
  } catch {
    return undefined;
  }
}

function ofProgress({ last_failures, ...progress }: JobProgress): JobStatus {
  return {
    ...progress,
    // Of a worker of an earlier version, it is not.
    settings: progress.settings ?? null,
    verdict: null,
    failures: last_failures,
    stored_output: null,
    output_error: null,
    error: null,
    as_of: new Date().toISOString(),
    ended_at: null,
  };
}

function ofSummary(summary: JobSummary): JobStatus {
  return {
    stored_output: null,
    max_concurrency: null,
    paused: null,
    budget: null,
    deadline: null,
    settings: null,
    waiting_for: null,
    ...summary,
    state: 'closed',
    running: 0,
    rows_per_second: null,
    eta_seconds: null,
    error: null,
    as_of: summary.ended_at,
  };
}

/** What only the job itself would tell. */
const UNKNOWN = {
  rows_per_second: null,
  eta_seconds: null,
  stop_reason: null,
  halt_reason: null,
  max_concurrency: null,
  paused: null,
  budget: null,
  deadline: null,
  settings: null,
  waiting_for: null,
  stored_output: null,
  output_error: null,
  failures: [],
  usage: null,
};

/** A job that is there, and of which no more can be read here. @param why for people. */
export function unreadableStatus(job_id: string, why: string): JobStatus {
  return {
    ...UNKNOWN,
    job_id,
    state: 'unreadable',
    verdict: null,
    total: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    pending: 0,
    running: null,
    output_csv_path: null,
    error: why,
    as_of: new Date().toISOString(),
    started_at: null,
    ended_at: null,
  };
}

async function ofStore(
  client: Client,
  stored: StoredJob,
  handle: WorkflowHandle,
  description: WorkflowExecutionDescription | undefined,
): Promise<JobStatus> {
  const record = await stored.record();
  if (record === undefined && description === undefined) {
    throw new JobNotFound(`no job ${stored.jobId}: neither the server nor the job store knows it`);
  }
  const last = await stored.lastBatch();
  const counts = last?.counts ?? { completed: 0, failed: 0, cancelled: 0 };
  const total = record?.total ?? 0;
  const running = description?.status.name === 'RUNNING';
  return {
    job_id: stored.jobId,
    ...(running
      ? { state: 'unreachable', verdict: null, error: await taskProblem(client, stored.jobId) }
      : await endWithoutSummary(handle)),
    ...UNKNOWN,
    total,
    ...counts,
    pending: total - ended(counts),
    running: running ? null : 0,
    output_csv_path: record?.output_csv_path ?? null,
    ...(record?.kept !== undefined && { kept: record.kept.rows }),
    as_of: last?.at ?? record?.created_at ?? new Date().toISOString(),
    started_at: description?.startTime.toISOString() ?? record?.created_at ?? null,
    ended_at: description?.closeTime?.toISOString() ?? null,
  };
}

/** How a job ended that left no summary: before its input was open, or not of its own. */
async function endWithoutSummary(
  handle: WorkflowHandle,
): Promise<Pick<JobStatus, 'state' | 'verdict' | 'error'>> {
  try {
    await handle.result();
    return { state: 'terminated', verdict: null, error: 'it left no summary' };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      return { state: 'terminated', verdict: null, error: 'the server does not know it any more' };
    }
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { cause } = error;
    if (cause instanceof CancelledFailure) {
      return { state: 'closed', verdict: 'cancelled', error: null };
    }
    const invalid = cause instanceof ApplicationFailure && cause.type === INVALID_INPUT_FAILURE;
    return {
      state: invalid ? 'refused' : 'terminated',
      verdict: null,
      error: cause?.message ?? error.message,
    };
  }
}
