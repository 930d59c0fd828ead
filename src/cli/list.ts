import type { Command } from 'commander';
import type { JobStatus } from '../client.js';
import { storeOption } from './arguments.js';
import { answer, answerJson, note } from './output.js';

export function addList(program: Command): void {
  program
    .command('list')
    .summary('the jobs, newest first')
    .description('Lists the jobs that the server or the job store knows, newest first.')
    .option('--json', 'print a JSON array')
    .addOption(storeOption())
    .action(list);
}

async function list(options: { json?: true }): Promise<void> {
  const { connected } = await import('./server.js');
  const { jobAnswer } = await import('./job-report.js');
  const { table } = await import('./table.js');
  await connected(async ({ jobs, link }) => {
    const found = await jobs.list();
    if (options.json) {
      answerJson(found.map((status) => jobAnswer(status, link(status.job_id))));
    } else if (found.length === 0) {
      note('No jobs yet. To run one: agent-jobs run --help');
    } else {
      answer(table(['JOB', 'STATE', 'ROWS', 'DONE', 'FAILED', 'STARTED'], found.map(cells)));
      const unreadable = found.filter(isUnreadable);
      if (unreadable.length > 0) note(`${unreadable.length} unreadable: ${unreadable[0]!.error}`);
    }
  });
}

function isUnreadable({ state }: JobStatus): boolean {
  return state === 'unreadable';
}

function cells(status: JobStatus): string[] {
  const { job_id, state, verdict, total, completed, failed, cancelled, started_at } = status;
  if (isUnreadable(status)) return [job_id, state, '', '', '', ''];
  return [
    job_id,
    verdict ?? state,
    String(total),
    String(completed + failed + cancelled),
    String(failed),
    started_at === null ? '' : started_at.slice(0, 19).replace('T', ' '),
  ];
}
