import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  allHandlersFinished,
  condition,
  isCancellation,
  makeContinueAsNewFunc,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ControlActivities, JobRef } from '../activities/contract.js';
import {
  type JobProgress,
  type JobSettings,
  type JobSpec,
  type JobSummary,
  type Outcome,
  type RerunSpec,
  clip,
  jobIdProblem,
  verdictOf,
} from '../job.js';
import {
  INVALID_INPUT_FAILURE,
  JOB_FAILED_FAILURE,
  OPENED_MEMO,
  SUMMARY_MEMO,
  LACKS_KEY_FAILURE,
  WRONG_STORE_FAILURE,
  progressQuery,
  verdictAttribute,
} from '../messages.js';
import { SpecError, isRerun, parseRerun, parseSpec, settingsOf } from '../spec.js';
import { undecodableReason } from '../undecodable.js';
import { atLength } from './control-activities.js';
import { isRecord, sound } from './activity-results.js';
import { requireKey } from './decoded.js';
import { Admission } from './admission.js';
import { BudgetGate } from './budget.js';
import { Deadline } from './deadline.js';
import { ItemControl } from './item-control.js';
import { ItemWindow } from './item-window.js';
import { JobControl } from './job-control.js';
import { jobDetails } from './job-details.js';
import {
  type JobState,
  addOutcome,
  leaveAsWas,
  leaveAsWere,
  leftToRun,
  newState,
  progressOf,
  sample,
  startsNoMore,
  summaryOf,
} from './job-state.js';
import { OutcomeLog } from './outcome-log.js';
import { QuotaBreaker, quotaPause } from './quota-breaker.js';
import { PoolGate } from './pool-gate.js';
import { RateGate } from './rate-gate.js';
import { Renewal } from './renewal.js';
import { type Row, RowSource } from './row-source.js';
import { SampleGate } from './sample.js';
import { StartGate } from './start-gate.js';
import { intolerable } from './tolerance.js';

const { openInput } = atLength;
const { exportResults } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '20 seconds',
  // A disk that stays full must not keep the job from closing: `results --output` recovers.
  retry: { maximumInterval: '10 seconds', maximumAttempts: 10 },
});

/** Items that are asked for are given so long to end when their job is cancelled. */
const CANCEL_TIMEOUT = '60 seconds';

/**
 * One job: opens the input, keeps up to `max_concurrency` items in flight, and writes the output.
 *
 * @param input a {@link JobSpec} or {@link RerunSpec}; null in a run that continues an earlier one.
 * @param left what the run before this one left.
 * @returns the summary where the verdict is succeeded, partial or stopped. A job whose verdict is
 *   failed fails with the summary as details; a cancelled one closes as Canceled, its summary in its memo.
 */
export async function agentJob(input: unknown, left?: JobState): Promise<JobSummary> {
  const { workflowId: jobId, namespace, continuedFromExecutionRunId } = workflowInfo();
  requireKey(input, left);
  // Who starts a job may send anything.
  const carried = continuedFromExecutionRunId === undefined ? undefined : left;
  const lost = undecodableReason(carried);
  if (lost !== undefined)
    throw ApplicationFailure.nonRetryable(`what the job carries could not be decoded: ${lost}`);
  const spec = carried === undefined ? readSpec(jobId, input) : undefined;
  const job = carried ?? newState(firstSettings(spec!, jobId), workflowInfo().startTime);
  let opened: { items: ItemWindow; rows: RowSource } | undefined;
  let phase: JobProgress['state'] = 'opening';
  let cancelled = false;
  let changed = true;
  const onChange = () => (changed = true);

  // Registered before the first await: a stop may come before the input is open.
  const control = new JobControl(job, onChange);
  const breaker = new QuotaBreaker(job);
  const budget = new BudgetGate(job);
  const sampling = new SampleGate(job);
  const pause = () => job.paused ?? quotaPause(job, Date.now());
  const pool = new PoolGate(jobId, job, onChange);
  const concurrency = { room: (running: number) => job.settings.max_concurrency - running };
  const starting = new StartGate(() => opened?.items.starting ?? 0);
  const gates = [concurrency, starting, new RateGate(job), pool, breaker, budget, sampling];
  const admission = new Admission(gates, onChange);
  const progress = () => {
    const running = opened?.items.size ?? 0;
    const rows = phase === 'running' ? opened?.rows : undefined;
    const waitsFor = rows === undefined || rows.exhausted ? [] : admission.waitsFor(running);
    if (rows?.waitsFor !== undefined && running < job.settings.max_concurrency)
      waitsFor.push(rows.waitsFor);
    return progressOf(jobId, job, { phase, running, paused: pause(), waitsFor });
  };
  setHandler(progressQuery, progress);

  if (spec !== undefined) await open(jobId, spec, job);
  const ref: JobRef = { job_id: jobId, store_id: job.store_id };
  const scope = CancellationScope.current();
  scope.cancelRequested.catch(() => {
    cancelled = true;
    changed = true;
  });

  // What saves the results has to go on when the job is cancelled.
  return CancellationScope.nonCancellable(async () => {
    const log = new OutcomeLog(ref, job, onChange);
    const rows = new RowSource(ref, job, onChange);
    const settle = (item_id: string, row_index: number, outcome: Outcome) => {
      addOutcome(job, { item_id, row_index }, outcome);
      job.halt_reason ??= intolerable(job, job.settings);
      log.add(row_index, outcome);
      changed = true;
    };
    const items = new ItemWindow(ref, job, {
      onSettled: ({ row_index, item_id, outcome, was }) => {
        if (breaker.settled(row_index, item_id, outcome)) {
          rows.putBack([row_index, (outcome.generation ?? 1) + 1, was], item_id);
        } else {
          rows.ended(row_index);
          settle(item_id, row_index, deadline.told(outcome));
        }
      },
      onPutBack: (row, itemId) => {
        breaker.left(row[0]);
        rows.putBack(row, itemId);
      },
      onChange,
    });
    opened = { items, rows };
    control.items = new ItemControl(ref, job, items, rows, log, ({ item_id, row_index, again }) => {
      // What a row was before its retry was asked for is not lost with that, unless it has been started since.
      if (again?.[3] === undefined) return settle(item_id, row_index, cancelledBeforeStart(again));
      leaveAsWas(job, again);
      job.halt_reason ??= intolerable(job, job.settings);
      changed = true;
    });
    const deadline = new Deadline(job, () => {
      changed = true;
      void items.cancel();
    });
    const renewal = new Renewal(job.settings);

    for (;;) {
      changed = false;
      // The rows of an hour in which none was started tell nothing of the next one.
      if (pause() === null) sample(job, Date.now());
      else job.samples = [];
      deadline.look();
      if (!cancelled && startsNoMore(job) === null) sampling.pause(items.size);
      if (items.size === 0 && !rows.exhausted) job.stop_reason ??= budget.exhausted();
      const halted = cancelled || startsNoMore(job) !== null;
      const paused = pause() !== null;
      phase = cancelled ? 'cancelling' : halted ? 'stopping' : paused ? 'paused' : 'running';
      setCurrentDetails(jobDetails(progress(), namespace, job.encrypted));
      const most = halted || paused ? items.size : job.settings.max_concurrency;
      pool.tell(Math.min(most, leftToRun(job)), items.size);
      if (cancelled) break;
      if (renewal.due) {
        if (items.starting === 0 && !pool.unread) {
          items.hold();
          let drained = false;
          void log.drain().then(() => (drained = true));
          // Who asks for something of this run is answered by it, which may bring one more outcome.
          const ready = () => drained && log.drained && allHandlersFinished();
          await condition(() => ready() || cancelled);
          // A stop or a cancellation is known before anything else that this task brings.
          if (!scope.consideredCancelled && (renewal.pressing || !items.endedNow)) {
            job.in_flight = items.handOver();
            await continueAsNew(job);
          }
          renewal.putOff();
          items.release();
          continue;
        }
      } else if (!halted && job.paused === null && !log.backlogged) {
        while (admission.hasRoom(items.size)) {
          const next = rows.next();
          if (next === undefined) break;
          items.start(next);
          admission.started();
          breaker.started(next.row_index);
        }
        // A pool grants nothing to a job that is paused: it would not be what opens.
        if (job.quota !== undefined && paused) admission.lookAgain(job.quota.until);
        else if (!rows.exhausted) admission.wait(items.size);
      }
      if (items.size === 0 && (halted || rows.exhausted)) break;
      await condition(() => changed);
    }

    control.end();
    if (cancelled) {
      void items.cancel();
      await condition(() => items.size === 0, CANCEL_TIMEOUT);
      items.abandon(`did not end within ${CANCEL_TIMEOUT} of the cancel request`);
    }
    // Writing the output may take a while.
    pool.tell(0, 0);
    await condition(allHandlersFinished);
    phase = 'exporting';
    await log.drain();
    leaveAsWere(job);
    const halted = job.halt_reason !== null;
    const verdict = verdictOf({
      counts: job.counts,
      total: job.total,
      cancelled,
      halted,
      cutOff: deadline.cutOff,
    });
    const summary = summaryOf(jobId, job, verdict, new Date());
    summary.output_error = await exportOutput(ref, summary);
    phase = 'closed';
    setCurrentDetails(jobDetails(progress(), namespace, job.encrypted));
    upsertMemo({ [SUMMARY_MEMO]: summary });
    if (job.search_attributes) upsertSearchAttributes([{ key: verdictAttribute, value: verdict }]);
    await condition(allHandlersFinished);
    return close(summary);
  });
}

/** @throws ApplicationFailure of type `InvalidInput` where there is something to mend. */
async function open(jobId: string, spec: JobSpec | RerunSpec, state: JobState): Promise<void> {
  const before = { ...state.settings };
  try {
    const { settings, ...opened } = await sound(
      'openInput',
      () => openInput({ job_id: jobId, spec, run_id: workflowInfo().firstExecutionRunId }),
      isOpened,
    );
    Object.assign(state, opened);
    if (settings !== undefined) takeOver(state.settings, settings, before);
  } catch (error) {
    if (isCancellation(error)) {
      const summary = summaryOf(jobId, state, 'cancelled', new Date());
      summary.output_error = 'the job was cancelled before its input was open';
      upsertMemo({ [SUMMARY_MEMO]: summary });
    }
    // A job that is refused fails with the fault itself, not with that of an activity.
    throw failureType(error) === INVALID_INPUT_FAILURE ? (error as ActivityFailure).cause : error;
  }
  const { csv_path, output_csv_path } = state.settings;
  upsertMemo({ [OPENED_MEMO]: { csv_path, output_csv_path, total: state.total } });
}

function isOpened(opened: unknown): boolean {
  if (!isRecord(opened)) return false;
  const { store_id, total } = opened;
  return typeof store_id === 'string' && Number.isSafeInteger(total) && (total as number) > 0;
}

/** Of a job whose other settings are those of an earlier one, only what is different is known at first. */
function firstSettings(spec: JobSpec | RerunSpec, jobId: string): JobSettings {
  if (!isRerun(spec)) return settingsOf(spec, jobId);
  const unknown = { csv_path: '/', instruction: '', agent: { external: true } } as const;
  const settings = settingsOf({ ...spec, ...unknown }, jobId);
  return { ...settings, output_csv_path: spec.output_csv_path ?? '' };
}

/** @param before without what operators have set meanwhile, which holds. */
function takeOver(own: JobSettings, earlier: JobSettings, before: JobSettings): void {
  const was: { [field: string]: unknown } = { ...before };
  const set = Object.entries(own).filter(([field, value]) => value !== was[field]);
  const limits = { ...earlier.limits };
  if (own.limits !== before.limits) limits.max_runtime_seconds = own.limits.max_runtime_seconds;
  Object.assign(own, earlier, Object.fromEntries(set), { limits });
}

/** Neither the memo nor search attributes are carried along by themselves. */
function continueAsNew(job: JobState): Promise<never> {
  const { memo, typedSearchAttributes } = workflowInfo();
  const carried = { ...(memo && { memo }), typedSearchAttributes };
  return makeContinueAsNewFunc<typeof agentJob>(carried)(null, job);
}

function readSpec(jobId: string, input: unknown): JobSpec | RerunSpec {
  try {
    const idProblem = jobIdProblem(jobId);
    if (idProblem !== undefined) throw new SpecError([`job_id: ${idProblem}`]);
    const unreadable = undecodableReason(input);
    if (unreadable !== undefined) throw new SpecError([`could not be decoded: ${unreadable}`]);
    return isRerun(input) ? parseRerun(input) : parseSpec(input);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw ApplicationFailure.nonRetryable(error.message, INVALID_INPUT_FAILURE);
  }
}

/** The outcome of a row that an operator does not want to be started. */
function cancelledBeforeStart(again: Row['again']): Outcome {
  return {
    ...(again !== undefined && { generation: again[1] }),
    status: 'cancelled',
    attempt_count: 0,
    last_error: 'cancelled before it was started',
    completed_at: new Date().toISOString(),
  };
}

async function exportOutput(ref: JobRef, summary: JobSummary): Promise<string | null> {
  for (;;) {
    try {
      return await sound(
        'exportResults',
        () => exportResults({ ...ref, summary }),
        (problem) => problem === null || typeof problem === 'string',
      );
    } catch (error) {
      // Nothing wrong with the output: left to a worker that has the store, and the key.
      if (![WRONG_STORE_FAILURE, LACKS_KEY_FAILURE].includes(failureType(error) ?? ''))
        return clip(rootCause(error) ?? String(error));
    }
  }
}

/** The type of failure of an activity. */
function failureType(error: unknown): string | null | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? cause.type : undefined;
}

function close(summary: JobSummary): JobSummary {
  const { verdict, completed, failed, cancelled, pending, halt_reason } = summary;
  const counts = `${completed} completed, ${failed} failed, ${cancelled} cancelled, ${pending} pending`;
  if (verdict === 'cancelled') throw new CancelledFailure('cancelled');
  if (verdict === 'failed') {
    throw ApplicationFailure.create({
      type: JOB_FAILED_FAILURE,
      message: halt_reason === null ? counts : `${halt_reason}: ${counts}`,
      nonRetryable: true,
      details: [summary],
    });
  }
  return summary;
}
