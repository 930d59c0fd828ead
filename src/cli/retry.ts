import { Argument, type Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { control } from './control.js';

export function addRetry(program: Command): void {
  program
    .command('retry')
    .summary('start one item of a job that runs once more')
    .description(
      'Has an item that has ended started once more, while its job runs. The output will have what comes of that; what its agents printed before stays in its logs.',
    )
    .addArgument(jobArgument())
    .addArgument(new Argument('<item>', 'ID of the item, as in the output'))
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs retry my-job T-17')
    .action(retry);
}

async function retry(id: string, item: string): Promise<void> {
  await control(
    id,
    (job) => job.retryItem(item),
    `Item ${item} of job ${id} is to be started again.`,
  );
}
