import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  TimeoutFailure,
  condition,
  isCancellation,
  proxyActivities,
  rootCause,
  workflowInfo,
} from '@temporalio/workflow';
import type { AgentActivities, ItemTask, OwnActivityInput } from '../activities/contract.js';
import { type AgentRoute, type Json, MAX_SETUP_SECONDS, MAX_TEARDOWN_SECONDS } from '../job.js';
import { WORKER_SHUTDOWN_FAILURE, agentTaskQueue } from '../messages.js';
import { undecodableReason } from '../undecodable.js';
import type { ItemInput } from './item-input.js';
import type { RunEnd } from './attempt-end.js';
import type { ReportInbox } from './report-inbox.js';

/** Beyond the agent's own time: for ending it, for its last requests, for a server that is away, … */
const RUN_MARGIN_SECONDS = 120;
/** … for git: worktrees of one repository wait for each other, and large ones take their time; … */
const WORKTREE_SECONDS = 1200;
/** … and for the commands before and after it. A worker that is lost is found by its heartbeat. */
const AROUND_SECONDS = WORKTREE_SECONDS + MAX_SETUP_SECONDS + MAX_TEARDOWN_SECONDS;
/** A worker that is silent for so long is taken for lost; it sends a heartbeat every 5 s. */
const HEARTBEAT_TIMEOUT = '20 seconds';

/**
 * Runs the agent process once and waits for its end, also where its report has come already: a slot
 * is free only when the agent has exited. An agent that does not exit after its report is ended, by its
 * worker where the report came that way: a timer for each row would be the server's work.
 */
export async function runProcess(
  input: ItemInput,
  attempt: number,
  inbox: ReportInbox,
): Promise<RunEnd> {
  const { job_id, store_id, item_id, row_index, generation, limits } = input;
  const item = {
    ...{ job_id, store_id, item_id, row_index },
    ...(generation !== undefined && { generation }),
  };
  const { runAgent } = proxyActivities<AgentActivities>({
    taskQueue: agentTaskQueue(workflowInfo().taskQueue),
    startToCloseTimeout:
      (limits.max_runtime_seconds +
        limits.report_grace_seconds +
        RUN_MARGIN_SECONDS +
        AROUND_SECONDS) *
      1000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    // The server repeats only what did not start (the worker lacks the store, its disk is full).
    // What was lost on the way is repeated by the item, which has to know the run.
    retry: {
      maximumInterval: '10 seconds',
      nonRetryableErrorTypes: [
        'TemporalTimeout:StartToClose',
        'TemporalTimeout:Heartbeat',
        WORKER_SHUTDOWN_FAILURE,
      ],
    },
  });
  const run = inbox.run;
  const end = await endOf(
    () => runAgent({ ...item, attempt, run, limits }),
    inbox,
    limits.exit_grace_seconds,
    () => inbox.accepted !== undefined && inbox.accepted.run !== run,
  );
  if ('value' in end) {
    const { undelivered_report: report } = end.value;
    if (report !== undefined) inbox.receive({ ...report, run });
    return end.value;
  }
  const ended = endedBy(end.error);
  // The agent's own time is kept by its worker: where the server's runs out, the worker is lost.
  const timedOut = ended.kind === 'activity_timed_out' || ended.kind === 'silent';
  return timedOut ? { kind: 'lost' } : ended;
}

/** Has a user's own activity work on the item. What it returns counts as its report if none came. */
export async function runOwnActivity(
  route: AgentRoute & { kind: 'activity' },
  input: ItemInput,
  task: ItemTask,
  attempt: number,
  inbox: ReportInbox,
): Promise<RunEnd> {
  const { job_id, item_id, output_schema, limits } = input;
  const activities = proxyActivities<Record<string, (input: OwnActivityInput) => Promise<Json>>>({
    taskQueue: route.task_queue,
    startToCloseTimeout: limits.max_runtime_seconds * 1000,
    ...(limits.heartbeat_seconds !== undefined && {
      heartbeatTimeout: limits.heartbeat_seconds * 1000,
    }),
    // It may not heartbeat, and would then never learn that it is cancelled.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { maximumAttempts: 1 },
  });
  const run = inbox.run;
  const own = { job_id, item_id, attempt, run, prompt: task.prompt, row: task.row };
  const end = await endOf(
    () =>
      activities[route.activity]!({
        ...own,
        ...(output_schema === undefined ? {} : { output_schema }),
      }),
    inbox,
    limits.exit_grace_seconds,
  );
  if ('value' in end) {
    const reports = end.value !== undefined && end.value !== null;
    if (inbox.accepted === undefined && reports) inbox.receive({ result: end.value, run });
    return { kind: 'returned' };
  }
  return endedBy(end.error);
}

type Settled<T> = { value: T } | { error: unknown };

/** Waits for the activity's end; once it should come, only for so long. */
async function endOf<T>(
  start: () => Promise<T>,
  inbox: ReportInbox,
  exitGraceSeconds: number,
  shouldEnd = () => inbox.accepted !== undefined,
): Promise<Settled<T>> {
  let settled: Settled<T> | undefined;
  const scope = new CancellationScope();
  void scope.run(start).then(
    (value) => {
      const reason = undecodableReason(value);
      settled =
        reason === undefined
          ? { value }
          : { error: new Error(`what it returned could not be decoded: ${reason}`) };
    },
    (error: unknown) => (settled = { error }),
  );
  const isSettled = () => settled !== undefined;
  try {
    await condition(() => isSettled() || shouldEnd());
    if (!isSettled() && !(await condition(isSettled, exitGraceSeconds * 1000))) {
      scope.cancel();
      await condition(isSettled);
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // The job is cancelled, and the activity with it: the item ends after its agent.
    await CancellationScope.nonCancellable(() => condition(isSettled));
    if (inbox.accepted === undefined) throw error;
  }
  return settled!;
}

function endedBy(error: unknown): RunEnd {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type === WORKER_SHUTDOWN_FAILURE) {
    return { kind: 'released' };
  }
  if (cause instanceof TimeoutFailure) {
    return { kind: cause.timeoutType === 'HEARTBEAT' ? 'silent' : 'activity_timed_out' };
  }
  const permanent = cause instanceof ApplicationFailure && cause.nonRetryable === true;
  return { kind: 'threw', error: rootCause(error) ?? String(error), permanent };
}
