import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { control } from './control.js';

export function addPause(program: Command): void {
  program
    .command('pause')
    .summary('start no rows of a job for now')
    .description('Has a job start no rows until it is resumed; agents that run go on.')
    .addArgument(jobArgument())
    .option('--reason <text>', 'why, for whoever looks at the job')
    .addOption(storeOption())
    .addHelpText('after', '\nTo go on: agent-jobs resume')
    .action(pause);
}

async function pause(id: string, { reason }: { reason?: string }): Promise<void> {
  await control(
    id,
    (job) => job.pause(reason),
    `Job ${id} starts no rows for now. To go on: agent-jobs resume ${id}`,
  );
}
