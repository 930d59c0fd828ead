import { resolve } from 'node:path';
import type { Command } from 'commander';
import { jobArgument, storeOption } from './arguments.js';
import { UsageError } from './errors.js';
import { answer } from './output.js';

export function addReportHtml(program: Command): void {
  program
    .command('report-html')
    .summary('write a job as one page to open or send')
    .description(
      'Writes a job as it stands, at any time, as one HTML page that needs nothing else: verdict, timeline,\n' +
        'throughput, failures by reason, and each row with its input, result and the end of its log.\n' +
        'Whoever gets the page can read all of these.',
    )
    .addArgument(jobArgument())
    .option('-o, --output <path>', 'where to write, .html (default: JOB.html)')
    .option('--overwrite', 'replace a file that is not this job’s page (default: refuse)')
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs report-html my-job -o report.html')
    .action(reportHtml);
}

async function reportHtml(
  id: string,
  { output = `${id}.html`, overwrite = false }: { output?: string; overwrite?: boolean },
): Promise<void> {
  if (!/\.html?$/i.test(output)) throw new UsageError('--output: must end in .html');
  const { connected } = await import('./server.js');
  await connected(async ({ jobs }) => {
    const path = resolve(output);
    await jobs.job(id).reportHtml(path, { overwrite });
    answer(path);
  });
}
