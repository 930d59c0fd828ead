import { Argument, type Command } from 'commander';
import { count, jobArgument } from './arguments.js';
import { EXIT } from './errors.js';
import { note } from './output.js';

const NOTES = `
For who works on rows of a job with --external and --heartbeat-seconds S: send one about every S/3
seconds until the row is reported, and not more often (the server takes 10,000 signals of a row).

Example, beside the work:
  while agent-jobs heartbeat my-job row-1; do sleep 20; done

Exit codes: 0 sent; 1 unexpected error; 2 invalid usage; 3 no such item runs: there is nothing more
to do for it.`;

export function addHeartbeat(program: Command): void {
  program
    .command('heartbeat')
    .summary('say that the external agent of an item lives')
    .description('Says that somebody works on an item, so that it is not given up as silent.')
    .addArgument(jobArgument())
    .addArgument(new Argument('<item>', 'ID of the item, as in the output'))
    .option('--run <n>', 'ignored where another run of the item is on (default: any)', count(1))
    .addHelpText('after', NOTES)
    .action(heartbeat);
}

async function heartbeat(job: string, item: string, options: { run?: number }): Promise<void> {
  const { connected } = await import('./server.js');
  await connected(async ({ jobs }) => {
    const run = options.run !== undefined && { run: options.run };
    if (await jobs.heartbeat({ job_id: job, item_id: item, ...run })) return;
    note(`No item ${item} of job ${job} runs: it has ended, or has not been started.`);
    process.exitCode = EXIT.failed;
  });
}
