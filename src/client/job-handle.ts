/** One job, for application code. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ApplicationFailure,
  type Client,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import type { ControlAnswer, ItemStatus, JobSummary, SettingsChange } from '../job.js';
import { items, knownOutcomes } from '../known-outcomes.js';
import {
  INVALID_INPUT_FAILURE,
  SUMMARY_MEMO,
  cancelItemUpdate,
  pauseUpdate,
  resumeUpdate,
  retryItemUpdate,
  setUpdate,
  stopSignal,
} from '../messages.js';
import { asSummary } from '../outcome-check.js';
import { exportRows } from '../output/export.js';
import { isPageOf } from '../output/html-page.js';
import { checkOutput } from '../output/output-file.js';
import type { JobRecord } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';
import type { RunLog } from '../store/run-logs.js';
import { lastOutcome } from '../store/outcome-index.js';
import { transcript } from '../transcript/transcript.js';
import { askJob } from './ask-job.js';
import { bringOutput } from './bring-output.js';
import { decoded } from './decoded.js';
import { ItemNotFound, JobRefused, JobTerminated } from './errors.js';
import {
  type ExternalTask,
  type ItemResult,
  type ItemSummary,
  externalTask,
  listItems,
  listResults,
  sourceIds,
} from './job-items.js';
import { lastLines } from './last-lines.js';
import { JobNotFound, type JobStatus, jobStatus } from './job-status.js';
import { isSlow, untilPassedOn } from './passed-on.js';
import { type Projection, projection } from './projection.js';
import { writeReportPage } from './report-page.js';

const WATCH_INTERVAL_MS = 1000;

/** What one run of an agent printed. */
export interface ItemLog extends RunLog {
  /** The same for people, line by line, where the agent is a program that is known. */
  transcript?: string[];
}

/** One job. */
export class JobHandle {
  readonly jobId: string;
  readonly #client: Client;
  readonly #stored: StoredJob;

  constructor(client: Client, stored: StoredJob) {
    this.jobId = stored.jobId;
    this.#client = client;
    this.#stored = stored;
  }

  /**
   * How the job stands; also without a worker, and when the server has forgotten the job.
   * @throws {JobNotFound}
   */
  async status(): Promise<JobStatus> {
    return jobStatus(this.#client, this.#stored);
  }

  /** What the rows that are left would take, if they were as those that have ended: after a sample, above all. */
  async projection(): Promise<Projection> {
    return projection(this.#client, await this.status());
  }

  /**
   * The status now, and again every second until the job has closed. The last one is the closed job's.
   * @throws {JobNotFound}; what the client throws where the server is away for longer than it retries.
   */
  async *watch(): AsyncGenerator<JobStatus> {
    const left = new AbortController();
    const closed = new AbortController();
    let failure: unknown;
    const wait = this.#client.withAbortSignal(left.signal, () => this.#workflowResult());
    wait
      .catch((error: unknown) => {
        const end = error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError;
        if (!end) failure = error;
      })
      .finally(() => closed.abort())
      .catch(() => {});
    try {
      for (;;) {
        const last = closed.signal.aborted;
        if (failure !== undefined) throw failure;
        yield await this.status();
        if (last) return;
        await delay(WATCH_INTERVAL_MS, undefined, { signal: closed.signal }).catch(() => {});
      }
    } finally {
      left.abort();
    }
  }

  /**
   * Waits for the job's end, whatever its verdict. Where its workers do not see the caller's files, it then
   * brings the output to where the job says.
   * @throws {JobRefused} where its input was; {@link JobTerminated}; {@link JobNotFound}.
   */
  async result(): Promise<JobSummary> {
    const summary = await this.#end();
    const { output_error } = await bringOutput(this.#stored, summary, { ended: true });
    return { ...summary, output_error };
  }

  /**
   * Brings the output of a job that has ended to where the job says, where its workers do not see that
   * path; else does nothing.
   * @param options.ended whether the job has only just ended, so that what is there is older. Otherwise
   *   a file that was written since is left as it is.
   * @returns the status, with `output_error` where that could not be done.
   */
  async withOutput(status: JobStatus, options: { ended: boolean }): Promise<JobStatus> {
    return { ...status, ...(await bringOutput(this.#stored, status, options)) };
  }

  async #end(): Promise<JobSummary> {
    const what = `the summary of job ${this.jobId}`;
    try {
      return decoded<JobSummary>(what, await this.#workflowResult());
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return this.#storedSummary();
      if (!(error instanceof WorkflowFailedError)) throw error;
      const { cause } = error;
      if (cause instanceof ApplicationFailure) {
        if (cause.type === INVALID_INPUT_FAILURE) throw new JobRefused(cause.message);
        const summary = asSummary(decoded(what, cause.details?.[0]));
        if (summary !== undefined) return summary;
      }
      const { memo } = await this.#handle().describe();
      const summary = asSummary(decoded(what, memo?.[SUMMARY_MEMO]));
      if (summary !== undefined) return summary;
      throw new JobTerminated(
        `job ${this.jobId} has no end of its own: ${cause?.message ?? error.message}`,
      );
    }
  }

  async #workflowResult(): Promise<unknown> {
    return untilPassedOn(Infinity, isSlow, () => this.#handle().result());
  }

  /** Starts no more rows, and lets those that run end; also where no worker runs just now. */
  async stop(reason?: string): Promise<void> {
    await this.#handle().signal(stopSignal, reason === undefined ? {} : { reason });
  }

  /**
   * Changes settings of the job while it runs. Rows that run are not touched: a lower concurrency is
   * reached as they end.
   * @throws {ControlRefused}; `JobUnattended`; `WorkflowNotFoundError` where the job has ended.
   */
  async set(change: SettingsChange): Promise<void> {
    await this.#ask(setUpdate, change);
  }

  /** Starts no more rows until {@link resume}; those that run go on. @throws as {@link set}. */
  async pause(reason?: string): Promise<void> {
    await this.#ask(pauseUpdate, { reason });
  }

  /** Starts rows again, whatever kept the job from that. @throws as {@link set}. */
  async resume(): Promise<void> {
    await this.#ask(resumeUpdate);
  }

  /**
   * Ends the agent of one item, or has it never started: the row is `cancelled`. One that waits for its retry is what
   * it was before. @throws as {@link set}.
   */
  async cancelItem(itemId: string): Promise<void> {
    await this.#ask(cancelItemUpdate, { item_id: itemId });
  }

  /**
   * Has one item that has ended started once more, whatever its outcome was: as a workflow of its own, whose
   * ID has the generation behind the item's. The row is pending until then, and its last generation is what
   * the output has. @throws as {@link set}; `ControlRefused` also where the item runs.
   */
  async retryItem(itemId: string): Promise<void> {
    await this.#ask(retryItemUpdate, { item_id: itemId });
  }

  /** Ends the job with its agents. Also ends what items a terminated job has left behind. */
  async cancel(): Promise<void> {
    const { status } = await this.#handle().describe();
    if (status.name === 'RUNNING') {
      await this.#handle().cancel();
      return;
    }
    for await (const { workflowId, runId } of items(this.#client, this.jobId, `= 'Running'`)) {
      await this.#client.workflow.getHandle(workflowId, runId).cancel();
    }
  }

  /**
   * Writes the output as it stands now, at any time: to `path`, else where the job writes it.
   * Rows without an outcome are `pending`.
   * @returns where it was written.
   */
  async results(path?: string, options: { overwrite?: boolean } = {}): Promise<string> {
    const record = await this.#stored.record();
    if (record === undefined) {
      throw new JobNotFound(`job ${this.jobId} has no input in the job store: was it refused?`);
    }
    const output = path ?? record.output_csv_path;
    const overwrite = options.overwrite ?? false;
    await checkOutput(output, { input: record.spec.csv_path, jobId: this.jobId, overwrite });
    const outcomes = await knownOutcomes(this.#client, this.#stored, record);
    await exportRows(output, record, this.#stored, outcomes);
    return output;
  }

  /**
   * Writes the job as it stands now, at any time, as one HTML page that needs nothing else: verdict,
   * timeline, failures by reason, and each row's result and end of its log. Of large jobs, long texts are
   * shortened, and rows after the 50,000th left out: the page is some 50 MB at most.
   * @param path an older page of the same job there is replaced.
   * @param options.overwrite replace any other file there, too. Default: false.
   * @throws {JobNotFound}; `OutputError` where the page cannot be written there.
   */
  async reportHtml(path: string, options: { overwrite?: boolean } = {}): Promise<void> {
    const record = await this.#stored.record();
    if (record === undefined) {
      throw new JobNotFound(`job ${this.jobId} has no input in the job store: was it refused?`);
    }
    const { overwrite = false } = options;
    await checkOutput(path, {
      input: record.spec.csv_path,
      jobId: this.jobId,
      overwrite,
      isOwn: isPageOf,
    });
    await writeReportPage(path, this.#client, this.#stored, record);
  }

  /** The items in input order. @param status only those of this status. */
  items(status?: ItemStatus): AsyncGenerator<ItemSummary> {
    return listItems(this.#client, this.#stored, status);
  }

  /**
   * What the agents of items that run have said last, some seconds ago at most; also what own activities heartbeat
   * with, if that is a text.
   * @param items as {@link items} lists them. @returns by workflow ID, of those that have said something.
   */
  lastLines(items: Pick<ItemSummary, 'workflow_id'>[]): Promise<Map<string, string>> {
    return lastLines(
      this.#client,
      items.map(({ workflow_id }) => workflow_id),
    );
  }

  /**
   * What the agent of an item printed, first run first; of each the last MiB, once it has ended. Of a row whose
   * outcome is that of an earlier job, it is what was printed there.
   * @throws {JobNotFound}; {@link ItemNotFound}.
   */
  async logs(itemId: string): Promise<ItemLog[]> {
    const record = await this.#stored.record();
    if (record === undefined) throw new JobNotFound(`no job ${this.jobId} in the job store`);
    const row = await this.#stored.rowOf(itemId);
    if (row === undefined) throw new ItemNotFound(`job ${this.jobId} has no item ${itemId}`);
    const ran = (await this.#ranElsewhere(record, row)) ?? { stored: this.#stored, record, row };
    const runs = await ran.stored.logs.ofRow(ran.row);
    const { agent } = ran.record.spec;
    if (!('preset' in agent)) return runs;
    return runs.map((run) => ({ ...run, transcript: transcript(agent.preset, run.text) }));
  }

  /** Where a row was run whose outcome is that of an earlier job, if that is still in the store. */
  async #ranElsewhere({ kept }: JobRecord, rowIndex: number) {
    const origin = kept && (await lastOutcome(this.#stored, rowIndex))?.origin;
    if (origin === undefined) return undefined;
    const stored = this.#stored.sibling(origin.job_id);
    const record = await stored.record();
    const row = await stored.rowOf(origin.item_id);
    return record === undefined || row === undefined ? undefined : { stored, record, row };
  }

  /**
   * The items with their results, in input order.
   * @param query.from index of the first row. @param query.status only those of this status.
   */
  itemResults(
    query: { from?: number | undefined; status?: ItemStatus | undefined } = {},
  ): AsyncGenerator<ItemResult> {
    return listResults(this.#client, this.#stored, query);
  }

  /** The cells of the ID column for some items; null where an item has none. */
  async sourceIds(itemIds: string[]): Promise<Map<string, string | null>> {
    return sourceIds(this.#stored, itemIds);
  }

  /**
   * What there is to do for an item of an external agent, to be reported by `AgentJobs.report`.
   * @returns undefined where there is nothing to do: it has been reported, or has not begun.
   * @throws where no worker answers within seconds.
   */
  async task(itemId: string): Promise<ExternalTask | undefined> {
    return externalTask(this.#client, this.jobId, itemId);
  }

  #ask(update: UpdateDefinition<ControlAnswer, [unknown]>, message: object = {}): Promise<void> {
    return askJob(this.#client, this.jobId, update, message);
  }

  #handle() {
    return this.#client.workflow.getHandle(this.jobId);
  }

  async #storedSummary(): Promise<JobSummary> {
    const summary = await this.#stored.summary();
    if (summary !== undefined) return summary;
    throw new JobNotFound(
      `no job ${this.jobId}: neither the server nor the job store knows its end`,
    );
  }
}
