import { resolve } from 'node:path';
import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { UsageError } from './errors.js';
import { answer } from './output.js';

export function addResults(program: Command): void {
  program
    .command('results')
    .summary('write the results of a job as they stand')
    .description(
      'Writes the output of a job as it stands, at any time: rows without an outcome are pending.',
    )
    .addArgument(jobArgument())
    .option('--output <path>', 'where to write, .csv or .jsonl (default: the job’s own output)')
    .option('--overwrite', 'replace a file that is not this job’s output (default: refuse)')
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs results my-job --output so-far.jsonl')
    .action(results);
}

async function results(
  id: string,
  { output, overwrite = false }: { output?: string; overwrite?: boolean },
): Promise<void> {
  if (output !== undefined && !/\.(csv|jsonl)$/i.test(output)) {
    throw new UsageError('--output: must end in .csv or .jsonl');
  }
  const { connected } = await import('./server.js');
  await connected(async ({ jobs }) => {
    const path = output === undefined ? undefined : resolve(output);
    answer(await jobs.job(id).results(path, { overwrite }));
  });
}
