import type { Command } from 'commander';
import type { SettingsChange } from '../client.js';
import { MAX_CONCURRENCY } from '../job.js';
import { jobArgument, number, storeOption } from './arguments.js';
import { UsageError } from './errors.js';
import { control } from './control.js';

interface SetOptions {
  maxConcurrency?: number;
  rate?: string;
  maxRuntimeSeconds?: number;
  toleratedFailures?: number;
  toleratedFailurePercentage?: number;
}

export function addSet(program: Command): void {
  program
    .command('set')
    .summary('change the settings of a job that runs')
    .description(
      'Changes settings of a job while it runs. Rows that run are not touched: a lower concurrency is reached as they end.',
    )
    .addArgument(jobArgument())
    .option('--max-concurrency <n>', `agents at once, up to ${MAX_CONCURRENCY}`, number)
    .option('--rate <rows/time>', 'rows that may start, as 2/s, 30/m or 500/h; off for any number')
    .option(
      '--max-runtime-seconds <s>',
      'time for one agent, from its start; for rows that start from now on',
      number,
    )
    .option(
      '--tolerated-failures <n>',
      'failed rows beyond which the job halts; one that has halted goes on if they are tolerated now',
      number,
    )
    .option(
      '--tolerated-failure-percentage <p>',
      'the same as a share of the rows that have ended',
      number,
    )
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs set my-job --max-concurrency 4')
    .action(set);
}

async function set(id: string, options: SetOptions): Promise<void> {
  const change: SettingsChange = {
    max_concurrency: options.maxConcurrency,
    rate: options.rate,
    max_runtime_seconds: options.maxRuntimeSeconds,
    tolerated_failures: options.toleratedFailures,
    tolerated_failure_percentage: options.toleratedFailurePercentage,
  };
  const named = Object.entries(change).filter(([, value]) => value !== undefined);
  if (named.length === 0) {
    throw new UsageError('say what to set, as --max-concurrency 4; more: agent-jobs set --help');
  }
  const told = named.map(([name, value]) => `${name} ${String(value)}`).join(', ');
  await control(id, (job) => job.set(change), `Job ${id} goes on with ${told}.`);
}
