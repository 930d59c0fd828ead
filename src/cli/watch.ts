import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { EXIT_CODES_HELP, exitCodeOf } from './errors.js';
import { note } from './output.js';

export function addWatch(program: Command): void {
  program
    .command('watch')
    .summary('follow a job to its end')
    .description(
      'Follows a job to its end; on a terminal, with the rows that run and the last failures.\n' +
        'q or Ctrl-C quits and leaves the job running.',
    )
    .addArgument(jobArgument())
    .option('--json', 'print one JSON summary on standard output, and nothing else there')
    .addOption(storeOption())
    .addHelpText('after', `\nExample:\n  agent-jobs watch my-job\n${EXIT_CODES_HELP}`)
    .action(watch);
}

async function watch(id: string, options: { json?: true }): Promise<void> {
  const { connected } = await import('./server.js');
  const { follow } = await import('./follow.js');
  const { Interruption } = await import('./interruption.js');
  const { WatchView, hasScreen } = await import('./watch-view.js');
  const { answerEnd, hasEnded } = await import('./job-report.js');
  await connected(async ({ jobs, link }) => {
    const interruption = new Interruption(id);
    const agent = (await jobs.store.job(id).record())?.spec.agent;
    // Says so at once where there is no such job.
    const before = await jobs.job(id).status();
    const url = link(id);
    if (!hasEnded(before)) {
      note(`Job ${id}`);
      if (url !== undefined) note(url);
    }
    const view =
      !hasEnded(before) && hasScreen()
        ? new WatchView(jobs.job(id), interruption.interrupt)
        : undefined;
    const status = await follow(jobs, id, interruption, { agent }, view);
    const ended = await jobs.job(id).withOutput(status, { ended: !hasEnded(before) });
    answerEnd(ended, url, options.json === true);
    process.exitCode = exitCodeOf(ended);
  });
}
