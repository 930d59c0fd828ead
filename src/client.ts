/**
 * agent-jobs from application code.
 *
 * ```ts
 * const jobs = await AgentJobs.connect();
 * const job = await jobs.start({ csv_path: '/data/tickets.csv', instruction: 'Classify: {text}', agent: { command: ['node', 'agent.mjs'] } });
 * for await (const progress of job.watch()) console.log(progress.completed, 'of', progress.total);
 * const summary = await job.result();
 * ```
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataConverter, UpdateDefinition } from '@temporalio/common';
import { literally } from './input/template.js';
import {
  ApplicationFailure,
  Client,
  Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcServiceError,
} from '@temporalio/client';
import {
  type ExternalTask,
  type ItemResult,
  type ItemSummary,
  externalTask,
  listItems,
  listResults,
  runningItem,
  sourceIds,
} from './client/job-items.js';
import { askJob } from './client/ask-job.js';
import { JobNotFound, type JobStatus, jobStatus } from './client/job-status.js';
import { reportTo } from './client/report-to.js';
import { type Projection, projection } from './client/projection.js';
import { unpolledQueues } from './client/task-queues.js';
import {
  encryptionKeys,
  serverConnection,
  storeLocation,
  taskQueue,
  tracesWanted,
} from './config.js';
import { decoded } from './client/decoded.js';
import { dataConverterFor } from './data-converter.js';
import {
  type AgentSpec,
  type ControlAnswer,
  type ItemStatus,
  type JobChanges,
  type JobSpec,
  type JobSummary,
  type Json,
  type ReportAnswer,
  type RerunSpec,
  type RowSelection,
  type SettingsChange,
  clip,
  jobIdProblem,
  isProcess,
} from './job.js';
import {
  INVALID_INPUT_FAILURE,
  JOB_WORKFLOW,
  SUMMARY_MEMO,
  cancelItemUpdate,
  heartbeatSignal,
  itemWorkflowId,
  pauseUpdate,
  resumeUpdate,
  retryItemUpdate,
  setUpdate,
  stopSignal,
} from './messages.js';
import { items, knownOutcomes } from './known-outcomes.js';
import { exportRows } from './output/export.js';
import { isPageOf } from './output/html-page.js';
import { bringOutput } from './client/bring-output.js';
import { writeReportPage } from './client/report-page.js';
import { checkOutputOf, sendInput } from './client/send-input.js';
import { asSummary } from './outcome-check.js';
import { checkOutput } from './output/output-file.js';
import { earlierJob, rerunSpec } from './rerun/earlier-job.js';
import { countSelected } from './rerun/selection.js';
import { SpecError, parseRerun, parseSpec } from './spec.js';
import { tlsProblem } from './tls-problem.js';
import { transcript } from './transcript/transcript.js';
import { type JobRecord, JobStore, type RunLog, type StoredJob } from './store/job-store.js';
import { openStore } from './store/open-store.js';
import { lastOutcome } from './store/outcome-index.js';

export { ControlRefused, JobUnattended } from './client/ask-job.js';
export type * from './job.js';
export type { OwnActivityInput } from './activities/contract.js';
export type { ExternalTask, ItemResult, ItemSummary } from './client/job-items.js';
export { JobNotFound, type JobStatus } from './client/job-status.js';
export type { Projection } from './client/projection.js';
export { Undecodable } from './client/decoded.js';
export { ConfigError } from './config.js';
export { StoreError } from './store/blob-store.js';
export { NothingToRerun, RerunRefused } from './rerun/earlier-rows.js';
export { SpecError } from './spec.js';

/** A job of this ID exists: on the server, or in the job store from earlier. */
export class JobExists extends Error {
  override name = 'JobExists';
}

/** The job has no item of this ID. */
export class ItemNotFound extends Error {
  override name = 'ItemNotFound';
}

/** What one run of an agent printed. */
export interface ItemLog extends RunLog {
  /** The same for people, line by line, where the agent is a program that is known. */
  transcript?: string[];
}

/** No Temporal server answers at the address. */
export class ServerUnreachable extends Error {
  override name = 'ServerUnreachable';
  readonly address: string;
  /** What is wrong with the connection and what to do about it, where that is known. */
  readonly problem: string | undefined;

  constructor(address: string, cause: unknown, problem?: string) {
    const why = problem === undefined ? '' : `: ${problem}`;
    super(`no Temporal server answers at ${address}${why}`, { cause });
    this.address = address;
    this.problem = problem;
  }
}

/** The job was refused when it opened its input; nothing was started. */
export class JobRefused extends Error {
  override name = 'JobRefused';
}

/** The job was terminated, and so has no summary. */
export class JobTerminated extends Error {
  override name = 'JobTerminated';
}

/** A job that would run rows of an earlier one again. */
export interface RerunPlan {
  /** Its ID. */
  jobId: string;
  /** All that it would be started with, what is taken over included. */
  spec: JobSpec;
  columns: string[];
  /** Rows of the output. */
  total: number;
  /** Rows that would be run. */
  selected: number;
  /** As {@link AgentJobs.start}. */
  start: () => Promise<JobHandle>;
}

export interface AgentJobsOptions {
  client: Client;
  /** Default: `AGENT_JOBS_TASK_QUEUE`, else `agent-jobs`. */
  taskQueue?: string;
  /**
   * The job store: a folder, or `s3://bucket/prefix`. Default: `AGENT_JOBS_STORE`, else
   * `$XDG_STATE_HOME/agent-jobs`.
   */
  store?: string;
  /**
   * The file of the keys that encrypt what goes into the job store, as {@link dataConverterOf} has them of
   * what goes to Temporal. Default: `AGENT_JOBS_KEYS_FILE`, else it is not encrypted.
   */
  keysFile?: string;
}

/**
 * The data converter for a Temporal client or worker of one's own that is to read and write what jobs do.
 * @param keysFile as in {@link AgentJobsOptions}.
 * @throws {ConfigError} where it cannot be used.
 */
export function dataConverterOf(keysFile?: string): DataConverter {
  return dataConverterFor(encryptionKeys(keysFile));
}

/** A server that is back is noticed soon; the default waits up to two minutes. */
const MAX_RECONNECT_BACKOFF_MS = 1000;

/** Starts jobs and finds them again. */
export class AgentJobs {
  readonly client: Client;
  readonly taskQueue: string;
  readonly store: JobStore;

  /**
   * Connects as the standard Temporal environment variables and profile file say. Where those of OpenTelemetry
   * say that traces are sent, jobs are part of the caller's trace, if it has registered a tracer provider.
   * @param options.connectTimeoutMs default: 10 s.
   * @throws {ConfigError} where these are not usable; {@link ServerUnreachable}; {@link StoreError} where
   *   there can be no job store of that name.
   */
  static async connect(
    options: Omit<AgentJobsOptions, 'client'> & { connectTimeoutMs?: number } = {},
  ): Promise<AgentJobs> {
    const { connectTimeoutMs = 10_000, ...rest } = options;
    const { connectionOptions, address, namespace } = serverConnection();
    const dataConverter = dataConverterOf(options.keysFile);
    const connection = await Connection.connect({
      ...connectionOptions,
      connectTimeout: connectTimeoutMs,
      channelArgs: { 'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS },
    }).catch(async (error: unknown) => {
      throw new ServerUnreachable(address, error, await connectionProblem(error, address));
    });
    const traces = tracesWanted() ? [(await import('./traces/client.js')).clientTraces] : [];
    return new AgentJobs({
      ...rest,
      client: new Client({
        ...{ connection, namespace, dataConverter },
        interceptors: { workflow: traces },
      }),
    });
  }

  constructor(options: AgentJobsOptions) {
    this.client = options.client;
    this.taskQueue = options.taskQueue ?? taskQueue();
    this.store = new JobStore(
      openStore(options.store ?? storeLocation(), encryptionKeys(options.keysFile)),
    );
  }

  /**
   * Starts a job; returns once the server has it. Where the job store is all that the workers have in
   * common with the caller, it brings the input there.
   * @param options.jobId default: a random UUID.
   * @throws {SpecError} where the spec is not usable; {@link JobExists}. What is wrong with the input
   *   itself is found when the job opens it: {@link JobHandle.result} rejects with {@link JobRefused}.
   *   {@link StoreError} where an object store cannot be used; `InputError` and `OutputError` where the
   *   input cannot be brought there, and the output not be written later.
   */
  async start(spec: JobSpec, options: { jobId?: string } = {}): Promise<JobHandle> {
    const jobId = options.jobId ?? randomUUID();
    const stored = await this.#unused(jobId);
    let checked = parseSpec({ ...spec, agent: this.#withWorkdir(spec.agent) });
    if (this.store.blobs.remote && spec.input_key === undefined) {
      // Not after a long upload.
      if (await this.#isKnown(jobId)) throw new JobExists(exists(jobId));
      checked = await sendInput(stored, checked);
    }
    return this.#start(jobId, checked, checked.instruction);
  }

  /**
   * Runs some rows of a job that is over once more, in a job of its own, which has all rows: those that are not
   * selected keep the outcome that they had, and the output has each row once. All else is as in that job,
   * but for what `options.changes` says, and the output is another file.
   * @param selection default: the rows that have not completed.
   * @throws as {@link planRerun} and {@link start}.
   */
  async rerun(
    of: string,
    selection: RowSelection = {},
    options: { jobId?: string; changes?: JobChanges } = {},
  ): Promise<JobHandle> {
    return (await this.planRerun(of, selection, options)).start();
  }

  /**
   * What {@link rerun} would start.
   * @throws {RerunRefused} where the job still runs, is not in the store, or has no such column or item;
   *   {@link NothingToRerun} where it has no row to run again; {@link SpecError}; {@link JobExists}.
   */
  async planRerun(
    of: string,
    selection: RowSelection = {},
    options: { jobId?: string; changes?: JobChanges } = {},
  ): Promise<RerunPlan> {
    const { jobId = randomUUID(), changes = {} } = options;
    const stored = await this.#unused(jobId);
    const { agent } = changes;
    const given = parseRerun({
      ...changes,
      ...(agent !== undefined && { agent: this.#withWorkdir(agent) }),
      rerun_of: { ...selection, job_id: of },
    });
    const earlier = await earlierJob(this.client, this.store.job(of));
    const spec = rerunSpec(given, earlier.record, jobId);
    const counts = await countSelected(earlier, selection);
    const start = async () => {
      if (spec.input_key !== undefined) await checkOutputOf(stored, spec);
      return this.#start(jobId, given, `rerun of ${of}: ${spec.instruction}`);
    };
    return { ...counts, jobId, spec, columns: earlier.columns(), start };
  }

  /** @throws {SpecError}; {@link JobExists} where the store knows of such a job. */
  async #unused(jobId: string): Promise<StoredJob> {
    const problem = jobIdProblem(jobId);
    if (problem !== undefined) throw new SpecError([`job_id: ${problem}`]);
    const stored = this.store.job(jobId);
    if ((await stored.record()) !== undefined) throw new JobExists(exists(jobId));
    return stored;
  }

  async #start(jobId: string, input: JobSpec | RerunSpec, summary: string): Promise<JobHandle> {
    try {
      await this.client.workflow.start(JOB_WORKFLOW, {
        workflowId: jobId,
        taskQueue: this.taskQueue,
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        args: [input],
        staticSummary: clip(summary.replace(/\s+/g, ' '), 60),
      });
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) throw new JobExists(exists(jobId));
      throw error;
    }
    return this.job(jobId);
  }

  /** The caller's folder, unlike that of the worker, is known here; on other hosts it is not there. */
  #withWorkdir(agent: AgentSpec): AgentSpec {
    if (!isProcess(agent) || agent.workdir !== undefined) return agent;
    if (this.store.blobs.remote && agent.isolate === undefined) return agent;
    return { ...agent, workdir: literally(process.cwd()) };
  }

  async #isKnown(jobId: string): Promise<boolean> {
    try {
      await this.client.workflow.getHandle(jobId).describe();
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  /** A handle of a job that may or may not exist. */
  job(jobId: string): JobHandle {
    return new JobHandle(this.client, this.store.job(jobId));
  }

  /** The jobs that the server or the store knows, newest first. */
  async list(): Promise<JobStatus[]> {
    const known = new Set(await this.store.jobIds());
    const query = `WorkflowType = '${JOB_WORKFLOW}'`;
    for await (const { workflowId } of this.client.workflow.list({ query })) known.add(workflowId);
    const statuses: JobStatus[] = [];
    const left = known.values();
    const ask = async () => {
      for (const jobId of left) {
        try {
          statuses.push(await this.job(jobId).status());
        } catch (error) {
          if (!(error instanceof JobNotFound)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: LIST_CONCURRENCY }, ask));
    return statuses.sort((a, b) => (b.started_at ?? '').localeCompare(a.started_at ?? ''));
  }

  /**
   * The task queues of a job that nobody takes work from, for certain. Of the others it cannot be
   * known at once: a worker that was killed stays listed for minutes.
   * @param agent the job's; undefined where it is not known.
   */
  async unattended(agent?: AgentSpec, taskQueue: string = this.taskQueue): Promise<string[]> {
    return unpolledQueues(this.client, taskQueue, agent);
  }

  /**
   * Reports the result of an item, for external agents.
   * @returns whether it was accepted, and what is wrong with it where it was not.
   */
  async report(report: {
    job_id: string;
    item_id: string;
    result: Json;
    stop?: boolean;
    run?: number;
  }): Promise<ReportAnswer> {
    const { job_id, item_id } = report;
    const send = (workflowId: string) => reportTo(this.client, workflowId, report);
    try {
      return await this.#toRunningItem(job_id, item_id, send);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) {
        return settled('no such item runs: it has ended, or has not been started');
      }
      if (error instanceof WorkflowUpdateFailedError) return settled('the item ended meanwhile');
      throw error;
    }
  }

  /**
   * Says that the external agent of an item lives, where its job has `heartbeat_seconds`: about three times in
   * that time, and not more often, since the server takes 10,000 signals of an item.
   * @param heartbeat.run only if this run of the item is on. Default: any.
   * @returns false where no such item runs: it has ended, and there is nothing more to do for it.
   */
  async heartbeat(heartbeat: { job_id: string; item_id: string; run?: number }): Promise<boolean> {
    const { job_id, item_id } = heartbeat;
    const send = (workflowId: string) =>
      this.client.workflow.getHandle(workflowId).signal(heartbeatSignal, heartbeat);
    try {
      await this.#toRunningItem(job_id, item_id, send);
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  /** @throws `WorkflowNotFoundError` where no such item runs. */
  #toRunningItem<T>(jobId: string, itemId: string, send: (workflowId: string) => Promise<T>) {
    return send(itemWorkflowId(jobId, itemId)).catch(async (error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      // It may have been started again.
      return send(await runningItem(this.client, jobId, itemId));
    });
  }

  async close(): Promise<void> {
    await this.client.connection.close();
  }
}

/** @returns undefined where there is no more to say than that nobody answers. */
async function connectionProblem(error: unknown, address: string): Promise<string | undefined> {
  const cause = error instanceof Error ? error.cause : undefined;
  if (isGrpcServiceError(cause) && [PERMISSION_DENIED, UNAUTHENTICATED].includes(cause.code)) {
    return `it refuses who asks (${cause.details}): see to api_key in the profile, or TEMPORAL_API_KEY, and to the namespace`;
  }
  return tlsProblem({ address, tls: serverConnection().connectionOptions.tls });
}

/** gRPC codes. */
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

function exists(jobId: string): string {
  return `job ${jobId} exists already: see it with "agent-jobs watch ${jobId}" or "agent-jobs results ${jobId}", or give another --job-id`;
}

function settled(message: string): ReportAnswer {
  return { accepted: false, errors: [{ path: '', message }] };
}

const WATCH_INTERVAL_MS = 1000;
const LIST_CONCURRENCY = 16;

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
    const wait = this.#client.withAbortSignal(left.signal, () => this.#handle().result());
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
    const handle = this.#handle();
    const what = `the summary of job ${this.jobId}`;
    try {
      return decoded<JobSummary>(what, await handle.result());
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return this.#storedSummary();
      if (!(error instanceof WorkflowFailedError)) throw error;
      const { cause } = error;
      if (cause instanceof ApplicationFailure) {
        if (cause.type === INVALID_INPUT_FAILURE) throw new JobRefused(cause.message);
        const summary = asSummary(decoded(what, cause.details?.[0]));
        if (summary !== undefined) return summary;
      }
      const { memo } = await handle.describe();
      const summary = asSummary(decoded(what, memo?.[SUMMARY_MEMO]));
      if (summary !== undefined) return summary;
      throw new JobTerminated(
        `job ${this.jobId} has no end of its own: ${cause?.message ?? error.message}`,
      );
    }
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

  /** Ends the agent of one item, or has it never started: the row is `cancelled`. @throws as {@link set}. */
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
    const runs = await ran.stored.logs(ran.row);
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
   * What there is to do for an item of an external agent, to be reported by {@link AgentJobs.report}.
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
