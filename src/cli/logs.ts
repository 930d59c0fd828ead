import { Argument, type Command } from 'commander';
import type { ItemLog } from '../client.js';
import { count, jobArgument, storeOption } from './arguments.js';
import { answer, note, paint } from './output.js';
import { printable } from './wording.js';

interface LogsOptions {
  attempt?: number;
  raw?: true;
}

export function addLogs(program: Command): void {
  program
    .command('logs')
    .summary('what the agent of a row did')
    .description('Prints what the agent of an item printed: of each run the last MiB.')
    .addArgument(jobArgument())
    .addArgument(new Argument('<item>', 'ID of the item, as in the output'))
    .option('--attempt <n>', 'only this attempt (default: all)', count(1))
    .option('--raw', 'as the agent printed it (default: the events of codex and claude as text)')
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs logs my-job T-17')
    .action(logs);
}

async function logs(id: string, itemId: string, { attempt, raw }: LogsOptions): Promise<void> {
  const { connected } = await import('./server.js');
  await connected(async ({ jobs }) => {
    const runs = await jobs.job(id).logs(itemId);
    const shown = runs.filter((run) => attempt === undefined || run.attempt === attempt);
    for (const run of shown) {
      // Beside the answer, so that this can be piped.
      if (shown.length > 1) note(paint(process.stderr, 'bold', titleOf(run)));
      const lines = (raw ? undefined : run.transcript) ?? [run.text.trimEnd()];
      for (const line of lines) if (line !== '') answer(raw ? line : printable(line));
    }
    if (shown.length === 0) {
      note(
        `There is no output of item ${itemId}: its agent has not ended, or is no process of the job.`,
      );
    }
  });
}

function titleOf({ generation, attempt, run }: ItemLog): string {
  const retried = generation === 1 ? '' : `Retry ${generation - 1}, `;
  return `${retried}${retried === '' ? 'Attempt' : 'attempt'} ${attempt}, run ${run}:`;
}
