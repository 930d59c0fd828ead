import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { noopMetricMeter } from '@temporalio/common';
import {
  type ActivityInboundCallsInterceptor,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import { createControlActivities } from './activities/control.js';
import { heartbeats } from './activities/heartbeats.js';
import { OpenJobs } from './activities/open-jobs.js';
import { refuseUndecodable } from './activities/refuse-undecodable.js';
import { createAgentActivities } from './activities/run-agent.js';
import { CodexHosts } from './agent/codex-host/codex-hosts.js';
import { Guard } from './agent/guard.js';
import { RunNotes } from './agent/leftovers.js';
import { dataConverterFor } from './data-converter.js';
import type { Keys } from './encryption/keys.js';
import type { ServerConnection } from './config.js';
import { MESSAGES_ENCODED, MESSAGES_PLAIN } from './encrypted-payload.js';
import type { WorkerRole } from './job.js';
import { agentTaskQueue } from './messages.js';
import { Metrics } from './metrics.js';
import { ReportEndpoint } from './report/endpoint.js';
import { JobStore } from './store/job-store.js';
import { openStore } from './store/open-store.js';
import type { WorkerTraces } from './traces/worker-traces.js';
import { nameItemInLog } from './worker-interceptors.js';
import { type WorkerTuning, agentsTuning, workflowsTuning } from './worker-tuning.js';

/** Built by `npm run build`, for the sources and for the package alike. */
const WORKFLOW_BUNDLE = fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));
const TRACED_BUNDLE = fileURLToPath(new URL('../dist/workflow-bundle-traced.js', import.meta.url));

const MAX_RECONNECT_BACKOFF_MS = 1000;

export interface AgentJobsWorkerOptions extends WorkerTuning {
  connection: ServerConnection['connectionOptions'];
  namespace: string;
  taskQueue: string;
  /** The job store: a folder, or `s3://bucket/prefix`. */
  store: string;
  /** What it writes to Temporal and to the job store is encrypted. Default: it is not. */
  keys?: Keys | undefined;
  /** What it works on. Default: both. */
  role?: WorkerRole | undefined;
  /**
   * Where the workers of this host note what they have started, so that the next one can end what they
   * leave when they are killed together with their guards. Without one, nothing is noted.
   */
  notesFolder?: string;
  /** Sends traces, where it is given. */
  traces?: WorkerTraces | undefined;
  /** Has what activities log name their job, item, attempt and run. Default: false. */
  logItems?: boolean;
  /** Agents at once on this host, at most. */
  concurrency: number;
  /** Seconds that agents may go on after {@link AgentJobsWorker.shutdown}. */
  drainSeconds: number;
}

/** A worker: workflows with their activities, and agents on a task queue of their own. */
export interface AgentJobsWorker {
  /** Ends when the worker has shut down; rejects where it cannot go on. */
  done: Promise<void>;
  /** Takes no more work, and lets agents finish while they are drained. A second call ends them now. */
  shutdown(): void;
}

/** @throws {StoreError} where the job store is one that other hosts have, too, and cannot be used. */
export async function startWorker(options: AgentJobsWorkerOptions): Promise<AgentJobsWorker> {
  const { namespace, drainSeconds, role, keys } = options;
  const blobs = openStore(options.store, keys);
  // Work that it takes and cannot do would go round and round.
  if (blobs.remote) await blobs.id();
  const store = new JobStore(blobs);
  const connection = await NativeConnection.connect(options.connection);
  const client = new Client({
    connection: await Connection.connect({
      ...options.connection,
      // The default waits up to two minutes: a server that is back has items waiting for reports.
      channelArgs: { 'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS },
    }),
    namespace,
    dataConverter: dataConverterFor(keys),
    interceptors: { workflow: options.traces === undefined ? [] : [options.traces.client] },
  });
  const drain = new AbortController();
  // Each agent listens.
  setMaxListeners(0, drain.signal);
  const jobs = new OpenJobs(store);
  const metrics = ownMetrics(options);
  const host: Host = { options, connection, client, store, jobs, metrics };
  const parts = await Promise.all([
    ...(role === 'agents' ? [] : [workflowsPart(host)]),
    ...(role === 'workflows' ? [] : [agentsPart(host, drain.signal)]),
  ]);

  let shuttingDown = false;
  const shutdown = () => {
    if (shuttingDown) return drain.abort();
    shuttingDown = true;
    setTimeout(() => drain.abort(), drainSeconds * 1000).unref();
    for (const { worker } of parts) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const run = async () => {
    try {
      await Promise.all(parts.map(({ worker }) => worker.run()));
    } finally {
      shutdown();
      for (const { close } of parts) await close();
      await client.connection.close();
      await connection.close();
    }
  };
  return { done: run(), shutdown };
}

/** What both parts of a worker have. */
interface Host {
  options: AgentJobsWorkerOptions;
  connection: NativeConnection;
  client: Client;
  store: JobStore;
  jobs: OpenJobs;
  metrics: Metrics | undefined;
}

/** @returns undefined where this process has no address for metrics. */
function ownMetrics({ namespace, taskQueue }: AgentJobsWorkerOptions): Metrics | undefined {
  const meter = Runtime.instance().metricMeter;
  if (meter === noopMetricMeter) return undefined;
  return new Metrics(meter.withTags({ namespace, task_queue: taskQueue }));
}

/** A worker of the SDK, and what is to be closed after it. */
interface Part {
  worker: Worker;
  close: () => Promise<void>;
}

async function workflowsPart(host: Host): Promise<Part> {
  const { traces, keys } = host.options;
  const bundle = traces === undefined ? WORKFLOW_BUNDLE : TRACED_BUNDLE;
  const worker = await Worker.create({
    ...common(host, [heartbeats]),
    taskQueue: host.options.taskQueue,
    workflowBundle:
      keys === undefined ? { codePath: bundle } : { code: await encryptingBundle(bundle) },
    ...(traces !== undefined && { sinks: traces.sinks }),
    activities: createControlActivities(host),
    ...workflowsTuning(host.options),
    // A worker that was killed leaves its sticky queue behind; its workflows wait so long for it.
    stickyQueueScheduleToStartTimeout: '2 s',
  });
  return { worker, close: async () => {} };
}

/**
 * The bundle for a worker that encrypts: its failures have their messages as payloads. Workflow code has its
 * failure converter from the bundle and cannot ask, so that a word in it is another one.
 */
export async function encryptingBundle(bundle: string): Promise<string> {
  const code = await readFile(bundle, 'utf8');
  const found = code.replace(MESSAGES_PLAIN, MESSAGES_ENCODED);
  if (found === code) throw new Error(`${bundle} is not of this version: npm run build`);
  return found;
}

async function agentsPart(host: Host, drained: AbortSignal): Promise<Part> {
  const { client, jobs, options, metrics } = host;
  const notes = await openNotes(options.notesFolder);
  const endpoint = await ReportEndpoint.listen();
  const guard = new Guard();
  const hosts = new CodexHosts(guard, notes);
  const worker = await Worker.create({
    ...common(host),
    taskQueue: agentTaskQueue(options.taskQueue),
    activities: createAgentActivities({
      ...{ client, jobs, metrics, traces: options.traces },
      ...{ endpoint, guard, hosts, notes, drained },
    }),
    ...agentsTuning(options, options.concurrency),
  });
  const close = async () => {
    await hosts.close();
    guard.close();
    await endpoint.close();
  };
  return { worker, close };
}

/** @param executing what is around each activity. */
function common(
  { connection, options }: Host,
  executing: NonNullable<ActivityInboundCallsInterceptor['execute']>[] = [],
) {
  const activity = [
    ...(options.traces === undefined ? [] : [options.traces.activity]),
    ...(options.logItems === true ? [nameItemInLog(options.keys !== undefined)] : []),
    ...[refuseUndecodable, ...executing].map((execute) => () => ({ inbound: { execute } })),
  ];
  return {
    connection,
    namespace: options.namespace,
    dataConverter: dataConverterFor(options.keys),
    interceptors: { activity },
    // Heartbeats go out every 5 s, against a timeout of 20.
    maxHeartbeatThrottleInterval: 5000,
    shutdownForceTime: (options.drainSeconds + 30) * 1000,
  };
}

/** The notes of this host's runs, once what earlier workers have left is ended and removed. */
async function openNotes(folder: string | undefined): Promise<RunNotes | undefined> {
  if (folder === undefined) return undefined;
  const warn = (message: string) => Runtime.instance().logger.warn(message);
  try {
    const notes = await RunNotes.open(folder);
    await notes.clear(warn);
    return notes;
  } catch (error) {
    warn(
      `runs cannot be noted in ${folder}: ${String(error)}. Agents still end with this worker, but not if it is killed together with their guard`,
    );
    return undefined;
  }
}
