import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { answerJson } from './output.js';

export function addStatus(program: Command): void {
  program
    .command('status')
    .summary('how a job stands')
    .description(
      'Tells how a job stands, also without a worker and after the server has forgotten the job.',
    )
    .addArgument(jobArgument())
    .option('--json', 'print JSON')
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs status my-job --json')
    .action(status);
}

async function status(id: string, options: { json?: true }): Promise<void> {
  const { connected } = await import('./server.js');
  const { answerStatus, jobAnswer } = await import('./job-report.js');
  await connected(async ({ jobs, link }) => {
    const found = await jobs.job(id).status();
    if (options.json) answerJson(jobAnswer(found, link(id)));
    else answerStatus(found, link(id));
  });
}
