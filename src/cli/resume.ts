import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { control } from './control.js';

export function addResume(program: Command): void {
  program
    .command('resume')
    .summary('go on with a job that is paused')
    .description('Has a job start rows again, whatever it was paused for.')
    .addArgument(jobArgument())
    .addOption(storeOption())
    .action(resume);
}

async function resume(id: string): Promise<void> {
  await control(id, (job) => job.resume(), `Job ${id} goes on.`);
}
