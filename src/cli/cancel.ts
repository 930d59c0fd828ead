import { Argument, type Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { control } from './control.js';
import { answer } from './output.js';

export function addCancel(program: Command): void {
  program
    .command('cancel')
    .summary('end a job and its agents, or one of its items')
    .description(
      'Ends a job and its agents; what is done is written. Also ends what a terminated job has left. ' +
        'With ITEM, ends only the agent of that row, or has it never started, and the job goes on.',
    )
    .addArgument(jobArgument())
    .addArgument(new Argument('[item]', 'ID of an item, as in the output'))
    .addOption(storeOption())
    .addHelpText('after', '\nTo let running agents finish: agent-jobs stop')
    .action(cancel);
}

async function cancel(id: string, item?: string): Promise<void> {
  if (item === undefined) return cancelJob(id);
  await control(id, (job) => job.cancelItem(item), `Item ${item} of job ${id} is being cancelled.`);
}

async function cancelJob(id: string): Promise<void> {
  const { connected } = await import('./server.js');
  const { answerEndedAlready, stateWord, hasEnded } = await import('./job-report.js');
  const { unlessEnded } = await import('./unless-ended.js');
  await connected(async ({ jobs }) => {
    const status = await jobs.job(id).status();
    const ended = await unlessEnded(jobs, id, (job) => job.cancel());
    if (ended !== undefined) answerEndedAlready(ended);
    else if (hasEnded(status)) {
      answer(
        `Job ${id} has ended already: ${stateWord(status)}. What it left behind is ended, too.`,
      );
    } else {
      answer(`Job ${id} is being cancelled. To see it end: agent-jobs watch ${id}`);
    }
  });
}
