import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { RerunStatus, RowSelection } from '../client.js';
import { MAX_SELECTED_IDS, RERUN_STATUSES, jobIdProblem } from '../job.js';
import { EXIT_CODES_HELP, UsageError } from './errors.js';
import { answerJson, note } from './output.js';
import { type RunOptions, requireDashes, startJob, startOptions, startSpec } from './run.js';
import { printable, rows } from './wording.js';

type RerunOptions = RunOptions & { [status in RerunStatus]?: true } & {
  where?: string[];
  ids?: string;
};

const EXAMPLES = `
The new job has all rows. Those that are not selected keep their outcome, and the output has each row once;
its column origin_job_id names the job that an outcome is of, where that is an earlier one. Options that are
not given are as in the earlier job, but for --output and --overwrite. Of a job that the store has no more,
name the output that it has written, and say all that "run" needs.

--failed, --cancelled and --pending add up; --where, which may be repeated, and --ids narrow. Rows that are
named by --where or --ids alone are run again however they ended. By default, all that have not completed are.

Examples:
  agent-jobs rerun my-job
  agent-jobs rerun my-job --failed --max-runtime-seconds 3600
  agent-jobs rerun my-job --where team=billing --agent claude -- --model opus
  agent-jobs rerun tickets.agent-job-my-job.csv --failed --instruction 'Classify: {text}' --agent codex
${EXIT_CODES_HELP}
Where no row is to be run again, it says so, starts nothing and exits with 0.`;

export function addRerun(program: Command): void {
  const command = program
    .command('rerun')
    .summary('run rows of an earlier job again')
    .description(
      'Runs rows of a job that is over again, as a job of its own whose output has all rows of both.',
    )
    .usage('(JOB | OUTPUT) [options] [-- COMMAND [ARG…]]')
    .argument('<job>', 'ID of the job, or the output that it has written: .csv or .jsonl')
    .argument('[command...]', 'another agent: its command; with --agent: more arguments for it')
    .option('--failed', 'rows that have failed')
    .option('--cancelled', 'rows that were cancelled')
    .option('--pending', 'rows that were not processed')
    .option(
      '--where <column=value>',
      'of these, rows with this cell; may be repeated',
      (cell: string, cells: string[] | undefined) => [...(cells ?? []), cell],
    )
    .option(
      '--ids <file>',
      `of these, items whose IDs are in a file, one a line, ${MAX_SELECTED_IDS} at most`,
    );
  startOptions(command)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('More: agent-jobs rerun --help')
    .action(rerun);
  const idColumn = command.options.find(({ long }) => long === '--id-column');
  idColumn?.hideHelp();
}

async function rerun(earlier: string, command: string[], options: RerunOptions): Promise<void> {
  requireDashes(command);
  if (options.idColumn !== undefined) {
    throw new UsageError('--id-column: items are called as they were in the earlier job');
  }
  const selection = await readSelection(options);
  const rerunOf = (await isOutput(earlier)) ? rerunOutput : rerunJob;
  try {
    await rerunOf(earlier, selection, command, options);
  } catch (error) {
    const nothing = error instanceof Error ? [error, error.cause].find(isNothing) : undefined;
    if (nothing === undefined) throw error;
    const { message } = nothing as Error;
    note(printable(`${message.charAt(0).toUpperCase()}${message.slice(1)}.`));
    if (options.json) answerJson({ job_id: null, selected: 0 });
  }
}

/** By name, as all errors: loading the class would load the Temporal client. */
function isNothing(error: unknown): boolean {
  return error instanceof Error && error.name === 'NothingToRerun';
}

async function rerunJob(
  earlier: string,
  selection: RowSelection,
  command: string[],
  options: RerunOptions,
): Promise<void> {
  const problem = jobIdProblem(earlier);
  if (problem !== undefined) {
    throw new UsageError(
      `${earlier} is neither a file that ends in .csv or .jsonl nor a job: ${problem}`,
    );
  }
  const { readChanges } = await import('./read-spec.js');
  const { checkInput } = await import('../activities/open-input.js');
  const changes = await readChanges(command, options);
  if (options.local) {
    const { ensureServer } = await import('./local-server.js');
    await ensureServer();
  }
  const { connected } = await import('./server.js');
  await connected(async (site) => {
    const { jobId } = options;
    const plan = await site.jobs.planRerun(earlier, selection, {
      changes,
      ...(jobId !== undefined && { jobId }),
    });
    const { spec, total, selected, jobId: id } = plan;
    // Its rows are known to be sound: what is left is the output, and the columns that the spec names.
    await checkInput(id, spec, { rows: noRows(), columns: () => plan.columns });
    if (options.local) {
      const { requireAgent } = await import('./local-worker.js');
      await requireAgent(spec);
    }
    const about = `${selected} of ${rows(total)} of job ${earlier}`;
    await startJob(site, { id, spec, total, about }, options, plan.start);
  });
}

async function rerunOutput(
  earlier: string,
  selection: RowSelection,
  command: string[],
  options: RerunOptions,
): Promise<void> {
  const id = options.jobId ?? randomUUID();
  const { readSpec } = await import('./read-spec.js');
  const { spec, total, selected } = await readSpec(earlier, command, options, id, selection);
  const about = `${selected} of ${rows(total)} of ${earlier}`;
  await startSpec({ id, spec, total, about }, options);
}

async function* noRows(): AsyncGenerator<never> {}

/** A job, too, may be called so. */
async function isOutput(earlier: string): Promise<boolean> {
  if (!/\.(csv|jsonl)$/i.test(earlier)) return false;
  if ((await stat(earlier).catch(() => undefined))?.isFile()) return true;
  if (jobIdProblem(earlier) === undefined) return false;
  throw new UsageError(`${earlier}: there is no such file`);
}

async function readSelection(options: RerunOptions): Promise<RowSelection> {
  const statuses = RERUN_STATUSES.filter((status) => options[status]);
  const { where, ids } = options;
  return {
    ...(statuses.length > 0 && { statuses }),
    ...(where !== undefined && { where: readCells(where) }),
    ...(ids !== undefined && { item_ids: await readIds(resolve(ids)) }),
  };
}

function readCells(where: string[]): { [column: string]: string } {
  const cells = where.map((cell): [column: string, value: string] => {
    const [, column, value] = /^([^=]+)=(.*)$/s.exec(cell) ?? [];
    if (column === undefined || value === undefined) {
      throw new UsageError(`--where: ${JSON.stringify(cell)} is not COLUMN=VALUE`);
    }
    return [column, value];
  });
  const twice = cells.find(([column], n) => cells.findIndex(([each]) => each === column) !== n);
  if (twice !== undefined) {
    throw new UsageError(`--where: no row has two values in ${twice[0]}: name it once`);
  }
  return Object.fromEntries(cells);
}

async function readIds(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--ids: ${file} cannot be read: ${(error as Error).message}`);
  }
  const ids = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (ids.length === 0) throw new UsageError(`--ids: ${file} has no IDs`);
  if (ids.length > MAX_SELECTED_IDS) {
    const some = `--ids: ${file} has ${ids.length} IDs, and ${MAX_SELECTED_IDS} at most can be named`;
    throw new UsageError(`${some}: name rows by --where, or rerun in several steps`);
  }
  return ids;
}
