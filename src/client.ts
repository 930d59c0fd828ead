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
import type { DataConverter } from '@temporalio/common';
import {
  Client,
  Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcServiceError,
} from '@temporalio/client';
import { Undecodable } from './client/decoded.js';
import { JobExists, ServerUnreachable } from './client/errors.js';
import { JobHandle } from './client/job-handle.js';
import { runningItem } from './client/job-items.js';
import { JobNotFound, type JobStatus, unreadableStatus } from './client/job-status.js';
import { reportTo } from './client/report-to.js';
import { checkOutputOf, sendInput } from './client/send-input.js';
import { unpolledQueues } from './client/task-queues.js';
import {
  encryptionKeys,
  serverConnection,
  storeLocation,
  taskQueue,
  tracesWanted,
} from './config.js';
import { dataConverterFor } from './data-converter.js';
import { literally } from './input/template.js';
import {
  type AgentSpec,
  type JobChanges,
  type JobSpec,
  type Json,
  type ReportAnswer,
  type RerunSpec,
  type RowSelection,
  clip,
  isProcess,
  jobIdProblem,
} from './job.js';
import { JOB_WORKFLOW, heartbeatSignal, itemWorkflowId } from './messages.js';
import { earlierJob, rerunSpec } from './rerun/earlier-job.js';
import { countSelected } from './rerun/selection.js';
import { SpecError, parseRerun, parseSpec } from './spec.js';
import { StoreError } from './store/blob-store.js';
import { JobStore, type StoredJob } from './store/job-store.js';
import { openStore } from './store/open-store.js';
import { tlsProblem } from './tls-problem.js';

export { ControlRefused, JobUnattended } from './client/ask-job.js';
export { Undecodable } from './client/decoded.js';
export * from './client/errors.js';
export { type ItemLog, JobHandle } from './client/job-handle.js';
export type { ExternalTask, ItemResult, ItemSummary } from './client/job-items.js';
export { JobNotFound, type JobStatus } from './client/job-status.js';
export type { Projection } from './client/projection.js';
export type { OwnActivityInput } from './activities/contract.js';
export { ConfigError } from './config.js';
export type * from './job.js';
export { NothingToRerun, RerunRefused } from './rerun/earlier-rows.js';
export { SpecError } from './spec.js';
export { StoreError } from './store/blob-store.js';

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

/** Jobs whose status is asked for at once. */
const LIST_CONCURRENCY = 16;

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

  /** The jobs that the server or the store knows, newest first; also those of which no more can be read here. */
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
          if (error instanceof Undecodable || error instanceof StoreError)
            statuses.push(unreadableStatus(jobId, error.message));
          else if (!(error instanceof JobNotFound)) throw error;
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
