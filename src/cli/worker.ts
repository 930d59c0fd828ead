import { type Command, Option } from 'commander';
import type { AgentJobsWorker } from '../worker.js';
import { notesFolder, serverConnection, storeLocation, taskQueue } from '../config.js';
import { WORKER_ROLES, type WorkerRole } from '../job.js';
import { count, number, storeOption } from './arguments.js';
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

Ctrl-C or SIGTERM: it takes no more work and lets agents finish for a time; once more: it ends them
now. What was ended is started again by the next worker, and costs the row no attempt. If it is killed,
its agents end as well; what is left of them then, the next worker on this host ends and removes.

Exit codes: 0 ended in order; 1 unexpected error; 2 invalid usage.`;

interface WorkerOptions {
  role?: WorkerRole;
  concurrency: number;
  drainSeconds: number;
}

export function addWorker(program: Command): void {
  program
    .command('worker')
    .summary('work for jobs on this host')
    .description('Runs jobs and their agents on this host, until it is ended.')
    .option('--concurrency <n>', 'agents at once on this host', count(1), DEFAULT_CONCURRENCY)
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
    .addOption(storeOption())
    .addHelpText('after', NOTES)
    .action(worker);
}

async function worker({ concurrency, drainSeconds, role }: WorkerOptions): Promise<void> {
  const server = serverConnection();
  const [{ connected }, { startWorker }, { installRuntime }, { agentTaskQueue }] =
    await Promise.all([
      import('./server.js'),
      import('../worker.js'),
      import('../worker-runtime.js'),
      import('../messages.js'),
    ]);
  // Says what is wrong with the connection in the way of all commands.
  await connected(async () => {});
  installRuntime((line) => note(`${new Date().toISOString()} ${line}`));
  const running = await startWorker({
    connection: server.connectionOptions,
    namespace: server.namespace,
    taskQueue: taskQueue(),
    store: storeLocation(),
    role,
    notesFolder: notesFolder(),
    concurrency,
    drainSeconds,
  });
  endOnSignals(running, drainSeconds);
  const queue = role === 'agents' ? agentTaskQueue(taskQueue()) : taskQueue();
  note(
    `The worker is ready: task queue ${queue} in namespace ${server.namespace} at ${server.address}\n` +
      (role === undefined ? '' : `  role    ${role}\n`) +
      (role === 'workflows' ? '' : `  agents  ${concurrency} at once\n`) +
      `  store   ${storeLocation()}`,
  );
  // Whoever has started it in the background waits for this.
  if (process.connected) process.send!('ready', () => process.disconnect());
  await running.done;
  note('The worker has ended.');
}

function endOnSignals(worker: AgentJobsWorker, drainSeconds: number): void {
  let signals = 0;
  const end = () => {
    signals += 1;
    note(
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
