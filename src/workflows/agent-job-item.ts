import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  proxyLocalActivities,
  rootCause,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { ControlActivities, ItemTask } from '../activities/contract.js';
import {
  type FailureReason,
  type Outcome,
  INLINE_RESULT_BYTES,
  MAX_LOST_RUNS,
  clip,
} from '../job.js';
import {
  type ItemView,
  INVALID_INPUT_FAILURE,
  OUTCOME_MEMO,
  PUT_BACK_FAILURE,
  itemQuery,
  reportSignal,
  reportUpdate,
  stopSignal,
} from '../messages.js';
import { resultBytes } from '../report-message.js';
import { type ResultCheck, compileSchema } from '../schema.js';
import { briefly } from './control-activities.js';
import { isRecord, sound } from './activity-results.js';
import { whyUnusable } from './decoded.js';
import { type AttemptEnd, failureOf } from './attempt-end.js';
import { runOwnActivity, runProcess } from './agent-run.js';
import { ExternalWait } from './external-wait.js';
import { ItemTally } from './item-tally.js';
import { type ItemInput, inputProblem } from './item-input.js';
import { type Signals, onSignal } from './on-signal.js';
import { ReportInbox } from './report-inbox.js';
import { backoffMs, isWorthAnother } from './retry-policy.js';

/** A worker that was cut off from the server has so long to deliver before it is replaced. */
const LOST_BACKOFF_SECONDS = 5;

const { describeItem, saveResult } = briefly;
/** Within the workflow's own task: a task and an activity less for each row. */
const { describeItem: describeItemHere } = proxyLocalActivities<ControlActivities>({
  startToCloseTimeout: '5 seconds',
  retry: { maximumAttempts: 1 },
});

/**
 * One row: has an agent work on it and waits for its report.
 *
 * The outcome is decided on recorded state only: once the agent has ended (or the deadline of an
 * external item has passed, or the job is cancelled), the item is completed if a valid report is
 * there. Which of report and end came first is never asked.
 *
 * @returns the outcome where it is `completed`; a failed item fails with the reason as error type and
 *   the outcome as details; a cancelled one closes as Canceled with the outcome in its memo.
 */
export async function agentJobItem(input: ItemInput): Promise<Outcome> {
  const unreadable = whyUnusable(input);
  if (unreadable !== undefined) {
    throw ApplicationFailure.nonRetryable(`the input could not be decoded: ${unreadable}`);
  }
  const problem = inputProblem(input);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, INVALID_INPUT_FAILURE);
  const { limits } = input;
  const inbox = new ReportInbox(input, {
    check: checkOf(input),
    max_result_bytes: limits.max_result_bytes,
  });
  const view: ItemView = {
    job_id: input.job_id,
    item_id: input.item_id,
    row_index: input.row_index,
    attempt: 1,
    run: 0,
    deadline: null,
    reported: false,
    refused_reports: [],
    ...(input.output_schema === undefined ? {} : { output_schema: input.output_schema }),
  };
  const tally = new ItemTally();
  const external =
    input.agent.kind === 'external' ? new ExternalWait(input, limits, () => inbox.run) : undefined;
  let stopSent: Promise<void> | undefined;

  // Registered before the first await: a report may be there before the item has begun.
  const receive = (...messages: unknown[]) => {
    // Also one that is refused: it is being mended.
    external?.sign();
    const answer = inbox.receive(...messages);
    if (inbox.accepted?.stop === true) stopSent ??= stopJob(input.item_id);
    return answer;
  };
  const reports = onSignal(reportSignal, (...messages) => void receive(...messages));
  setHandler(reportUpdate, receive);
  setHandler(itemQuery, () => ({
    ...view,
    ...external?.view,
    run: inbox.run,
    reported: inbox.accepted !== undefined,
    refused_reports: inbox.refused,
  }));

  let end: AttemptEnd | undefined;
  let cancelled = false;
  try {
    for (;;) {
      end = await attempt({ input, view, inbox, reports, tally, external });
      const reported = () => inbox.accepted !== undefined;
      if (reported() || !isWorthAnother(end) || view.attempt >= limits.max_attempts) break;
      if (await condition(reported, backoffMs(view.attempt, Math.random()))) break;
      view.attempt += 1;
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    cancelled = true;
  }

  // The job has to know of the stop before it learns that this item has ended.
  if (stopSent !== undefined) await stopSent;
  return close(input, view.attempt, inbox, tally, end, cancelled);
}

function checkOf({ output_schema }: ItemInput): ResultCheck {
  if (output_schema === undefined) return () => [];
  try {
    return compileSchema(output_schema);
  } catch (error) {
    throw ApplicationFailure.nonRetryable(`output_schema: ${String(error)}`, INVALID_INPUT_FAILURE);
  }
}

interface Item {
  input: ItemInput;
  view: ItemView;
  inbox: ReportInbox;
  reports: Signals;
  tally: ItemTally;
  external: ExternalWait | undefined;
}

/** One attempt: its runs, and the grace for a report that travels apart from the agent. */
async function attempt(item: Item): Promise<AttemptEnd> {
  const { input, view, inbox, reports, tally, external } = item;
  const { agent, limits } = input;
  const refusedBefore = inbox.refused.at(-1);
  const reported = () => inbox.accepted !== undefined;
  /** What has come before the end counts, behind however much else. */
  const read = async () => {
    if (reports.waiting) await condition(() => reported() || !reports.waiting);
  };
  const withRefusal = (end: AttemptEnd): AttemptEnd => {
    const last = inbox.refused.at(-1);
    return last === refusedBefore || end.refused_report !== undefined
      ? end
      : { ...end, refused_report: last!.errors };
  };

  if (agent.kind !== 'process' && view.prompt === undefined) {
    try {
      Object.assign(view, await taskOf(input));
    } catch (error) {
      if (isCancellation(error)) throw error;
      return { reason: 'agent_error', error: rootCause(error) ?? String(error), permanent: true };
    }
  }

  if (agent.kind === 'external') {
    inbox.run += 1;
    view.deadline = new Date(Date.now() + limits.max_runtime_seconds * 1000).toISOString();
    const end = await external!.forReport(reported);
    await read();
    return withRefusal({ ...end, error: end.error + floodOf(inbox) });
  }

  let end: AttemptEnd;
  for (let lost = 0; ;) {
    inbox.run += 1;
    const run =
      agent.kind === 'process'
        ? await runProcess(input, view.attempt, inbox)
        : await runOwnActivity(agent, input, view as ItemTask, view.attempt, inbox);
    tally.add(view.attempt, run);
    if (reported()) return failureOf(run, limits);
    if (run.kind === 'released') continue;
    end = failureOf(run, limits);
    if (run.kind !== 'lost' || ++lost > MAX_LOST_RUNS) break;
    // A report of the lost run may still be on its way, and counts until the next run begins.
    if (await condition(reported, Math.min(30, LOST_BACKOFF_SECONDS * 2 ** (lost - 1)) * 1000))
      return end;
  }
  await read();
  await condition(reported, limits.report_grace_seconds * 1000);
  return withRefusal(end);
}

/** Refused reports of an item after which it says that the server may have kept the good one from it. */
const FLOOD = 1000;

/** The server has limits for each workflow, which workflow code cannot see. */
function floodOf({ refusedCount }: ReportInbox): string {
  if (refusedCount < FLOOD) return '';
  return (
    `, but ${refusedCount} that were refused: where the server's limit for one item is reached ` +
    '(by default 10,000 signals and 2,000 updates), it keeps all later reports from it'
  );
}

/** What is to be done; where the worker of the workflow cannot tell, by another that has the store. */
async function taskOf({ job_id, store_id, row_index }: ItemInput): Promise<ItemTask> {
  const item = { job_id, store_id, row_index };
  try {
    return await describeItemHere(item);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return sound(
      'describeItem',
      () => describeItem(item),
      (task) => isRecord(task) && typeof task.prompt === 'string' && isRecord(task.row),
    );
  }
}

async function stopJob(itemId: string): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  try {
    // Without a run ID: the job may have continued as new.
    await CancellationScope.nonCancellable(() =>
      getExternalWorkflowHandle(parent.workflowId).signal(stopSignal, {
        reason: `item ${itemId} reported stop`,
      }),
    );
  } catch {
    // The job has closed: it starts no more rows anyway.
  }
}

/** Also where the item is cancelled meanwhile: the result counts. */
function save(result: Parameters<typeof saveResult>[0]): Promise<string> {
  return CancellationScope.nonCancellable(() =>
    sound(
      'saveResult',
      () => saveResult(result),
      (key) => typeof key === 'string',
    ),
  );
}

/** Closes the workflow with its outcome: the one place where outcomes are made. */
async function close(
  input: ItemInput,
  attemptCount: number,
  inbox: ReportInbox,
  tally: ItemTally,
  end: AttemptEnd | undefined,
  cancelled: boolean,
): Promise<Outcome> {
  const closing = {
    attempt_count: attemptCount,
    completed_at: new Date().toISOString(),
    ...tally.outcome(inbox.refusedCount),
  };
  if (inbox.accepted !== undefined) {
    const { result, reported_at } = inbox.accepted;
    const inline = resultBytes(result) <= INLINE_RESULT_BYTES;
    const { job_id, store_id, row_index, generation } = input;
    const item = { job_id, store_id, row_index, ...(generation !== undefined && { generation }) };
    return {
      status: 'completed',
      ...closing,
      result: inline ? { inline: result } : { stored: await save({ ...item, result }) },
      reported_at,
      ...tally.patch,
    };
  }
  if (cancelled || end === undefined) {
    const outcome: Outcome = { status: 'cancelled', ...closing, last_error: 'cancelled' };
    upsertMemo({ [OUTCOME_MEMO]: outcome });
    throw new CancelledFailure('cancelled');
  }
  const reason: FailureReason =
    end.refused_report === undefined || end.reason === 'timed_out' ? end.reason : 'invalid_report';
  const lastError = clip(
    end.refused_report === undefined ? end.error : `${end.error}; refused: ${end.refused_report}`,
  );
  const { failure_class, quota } = end;
  const outcome: Outcome = {
    status: 'failed',
    ...closing,
    reason,
    ...(failure_class !== undefined && { failure_class }),
    last_error: lastError,
    ...(quota !== undefined && { quota }),
  };
  const type = quota === undefined ? reason : PUT_BACK_FAILURE;
  throw ApplicationFailure.create({
    type,
    message: `${type}: ${lastError}`,
    nonRetryable: true,
    details: [outcome],
  });
}
