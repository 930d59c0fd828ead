import { type Command, Option } from 'commander';
import type { AgentJobsWorker } from '../worker.js';
import { LOG_FORMATS, type LogFormat, type WorkerTuning } from '../worker-tuning.js';
import {
  encryptionKeys,
  keysFile,
  notesFolder,
  serverConnection,
  storeLocation,
  taskQueue,
  tracesWanted,
} from '../config.js';
import { WORKER_ROLES, type WorkerRole } from '../job.js';
import { count, metricsAddress, number, percent, storeOption } from './arguments.js';
import { Problem, UsageError } from './errors.js';
import { note } from './output.js';

/** As many as a job has in flight by default, so that one worker serves one such job. */
const DEFAULT_CONCURRENCY = 16;
const DEFAULT_DRAIN_SECONDS = 60;

const NOTES = `
It works for all jobs of its task queue (AGENT_JOBS_TASK_QUEUE, default agent-jobs) that use its job
store. Start as many as you need, on several hosts where the store is s3://BUCKET/PREFIX: its
credentials, region and endpoint are those of the AWS SDK (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION,
AWS_ENDPOINT_URL_S3, …).

With --role, workflows (with input and output) and agents run apart: a worker of each is needed.

With --deployment-name and --build-id, jobs end on the version that they began on: new ones go to the
version that is made current (temporal worker deployment set-current-version), and workers of another
are needed until its jobs have ended. What each option is for: docs/production.md.

Where OTEL_EXPORTER_OTLP_ENDPOINT is set, it sends traces there (OTLP over HTTP). What it tells:
docs/operations.md.

Ctrl-C or SIGTERM: it takes no more work and lets agents finish for a time; once more: it ends them
now. What was ended is started again by the next worker, and costs the row no attempt. If it is killed,
its agents end as well; what is left of them then, the next worker on this host ends and removes.

Exit codes: 0 ended in order; 1 unexpected error; 2 invalid usage.`;

interface WorkerOptions extends Omit<WorkerTuning, 'version'> {
  role?: WorkerRole;
  concurrency: number;
  drainSeconds: number;
  deploymentName?: string;
  buildId?: string;
  metricsAddress?: string;
  logFormat: LogFormat;
}

export function addWorker(program: Command): void {
  program
    .command('worker')
    .summary('work for jobs on this host')
    .description('Runs jobs and their agents on this host, until it is ended.')
    .option(
      '--concurrency <n>',
      'agents at once on this host, at most',
      count(1),
      DEFAULT_CONCURRENCY,
    )
    .option(
      '--target-memory <percent>',
      'start agents only while less of the memory is in use (default: do not look, or 80 with --target-cpu)',
      percent,
    )
    .option(
      '--target-cpu <percent>',
      'the same of the processors (default: do not look, or 90 with --target-memory)',
      percent,
    )
    .option(
      '--drain-seconds <s>',
      'how long agents may go on once the worker is to end',
      number,
      DEFAULT_DRAIN_SECONDS,
    )
    .addOption(
      new Option('--role <role>', 'work on only one of the two (default: both)').choices([
        ...WORKER_ROLES,
      ]),
    )
    .option(
      '--cached-workflows <n>',
      'workflows kept in memory: items in flight and jobs (default: 600 for each GB of heap)',
      count(10),
    )
    .option(
      '--activity-slots <n>',
      'activities of jobs at once, which are not agents (default: 500)',
      count(10),
    )
    .option(
      '--max-pollers <n>',
      'polls of the server at once, as there is work, for each task queue and kind (default: 10, always)',
      count(2),
    )
    .option('--deployment-name <name>', 'the deployment that this worker is of; with --build-id')
    .option('--build-id <id>', 'its version; with --deployment-name')
    .option(
      '--metrics-address <[host:]port>',
      'where Prometheus finds the metrics of this worker, on loopback unless a host is named (default: nowhere)',
      metricsAddress,
    )
    .addOption(
      new Option('--log-format <format>', 'text, or JSON: an object a line')
        .choices([...LOG_FORMATS])
        .default('text'),
    )
    .addOption(storeOption())
    .addHelpText('after', NOTES)
    .action(worker);
}

async function worker(options: WorkerOptions): Promise<void> {
  const { concurrency, drainSeconds, role, deploymentName, buildId, ...others } = options;
  const { metricsAddress, logFormat, ...tuning } = others;
  const version = versionOf(deploymentName, buildId);
  refuseOfOtherRole(options);
  const server = serverConnection();
  const keys = encryptionKeys();
  const [
    { connected },
    { startWorker },
    { installRuntime, warn },
    { ownLine },
    { agentTaskQueue },
  ] = await Promise.all([
    import('./server.js'),
    import('../worker.js'),
    import('../worker-runtime.js'),
    import('../worker-log.js'),
    import('../messages.js'),
  ]);
  const traces = tracesWanted()
    ? (await import('../traces/worker-traces.js')).workerTraces(warn)
    : undefined;
  // Says what is wrong with the connection in the way of all commands.
  await connected(async () => {});
  try {
    installRuntime(note, { logFormat, metricsAddress, encrypts: keys !== undefined });
  } catch (error) {
    throw new Problem(
      `--metrics-address: ${metricsAddress} cannot be used: ${(error as Error).message}`,
    );
  }
  const say: Say = logFormat === 'text' ? note : (text) => note(ownLine(text));
  const running = await startWorker({
    connection: server.connectionOptions,
    namespace: server.namespace,
    taskQueue: taskQueue(),
    store: storeLocation(),
    keys,
    role,
    notesFolder: notesFolder(),
    concurrency,
    drainSeconds,
    ...tuning,
    version,
    logItems: logFormat === 'json',
    traces,
  });
  endOnSignals(running, drainSeconds, say);
  const { targetMemory, targetCpu } = tuning;
  const sparing = targetMemory !== undefined || targetCpu !== undefined;
  const queue = role === 'agents' ? agentTaskQueue(taskQueue()) : taskQueue();
  say(
    `The worker is ready: task queue ${queue} in namespace ${server.namespace} at ${server.address}\n` +
      (role === undefined ? '' : `  role    ${role}\n`) +
      (version === undefined ? '' : `  version ${version.deploymentName}.${version.buildId}\n`) +
      (role === 'workflows'
        ? ''
        : `  agents  ${concurrency} at once${sparing ? ', fewer where the host is busy' : ''}\n`) +
      (metricsAddress === undefined ? '' : `  metrics http://${metricsAddress}/metrics\n`) +
      `  store   ${storeLocation()}` +
      (keys === undefined
        ? ''
        : `\n  keys    ${keysFile()}: what it writes is encrypted with "${keys.current.id}"`),
  );
  // Whoever has started it in the background waits for this.
  if (process.connected) process.send!('ready', () => process.disconnect());
  await running.done;
  await traces?.flush();
  say('The worker has ended.');
}

type Say = (text: string) => void;

/** @throws {UsageError} where one is given without the other, or cannot be used. */
function versionOf(deploymentName?: string, buildId?: string): WorkerTuning['version'] {
  if (deploymentName === undefined && buildId === undefined) return undefined;
  if (!deploymentName || !buildId) {
    throw new UsageError('--deployment-name and --build-id go together: give both or neither');
  }
  if (deploymentName.includes('.')) {
    throw new UsageError('--deployment-name: must not have a dot, which ends it in the version');
  }
  return { deploymentName, buildId };
}

/** @throws {UsageError} where an option is of the part that this worker is not to have. */
function refuseOfOtherRole(options: WorkerOptions): void {
  const ofPart = {
    workflows: ['cachedWorkflows', 'activitySlots'],
    agents: ['targetMemory', 'targetCpu'],
  } as const;
  const other = { workflows: 'agents', agents: 'workflows' } as const;
  if (options.role === undefined) return;
  const given = ofPart[other[options.role]].find((name) => options[name] !== undefined);
  if (given === undefined) return;
  const flag = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new UsageError(`${flag} is of --role ${other[options.role]}, which this worker is not`);
}

function endOnSignals(worker: AgentJobsWorker, drainSeconds: number, say: Say): void {
  let signals = 0;
  const end = () => {
    signals += 1;
    say(
      signals === 1
        ? `The worker takes no more work; its agents may go on for ${drainSeconds} s. Once more to end them now.`
        : 'The worker ends its agents now.',
    );
    worker.shutdown();
    // A third one ends the worker itself, whatever holds it up.
    if (signals === 2) for (const signal of SIGNALS) process.off(signal, end);
  };
  for (const signal of SIGNALS) process.on(signal, end);
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
