import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { control } from './control.js';

export function addStop(program: Command): void {
  program
    .command('stop')
    .summary('start no more rows of a job')
    .description('Has a job start no more rows; agents that run come to their end.')
    .addArgument(jobArgument())
    .option('--reason <text>', 'why, for whoever looks at the job')
    .addOption(storeOption())
    .addHelpText('after', '\nTo end the agents too: agent-jobs cancel')
    .action(stop);
}

async function stop(id: string, { reason }: { reason?: string }): Promise<void> {
  await control(
    id,
    (job) => job.stop(reason ?? 'stopped by agent-jobs stop'),
    `Job ${id} starts no more rows. To see it end: agent-jobs watch ${id}`,
  );
}
