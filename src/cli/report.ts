import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import type { Json, ReportAnswer } from '../client.js';
import { reportTarget } from '../config.js';
import { count, jobId } from './arguments.js';
import { EXIT, Problem, UsageError } from './errors.js';
import { answer, answerJson, note } from './output.js';
import { printable } from './wording.js';

interface ReportOptions {
  resultFile?: string;
  stop?: true;
  job?: string;
  item?: string;
  run?: number;
  json?: true;
}

interface Message {
  result: Json;
  stop?: boolean;
  job_id?: string;
  item_id?: string;
  run?: number;
}

const NOTES = `
Within an agent that agent-jobs has started, its environment says which item is reported; elsewhere
name it with --job and --item. A refused result may be corrected and reported again.

Examples:
  agent-jobs report '{"label":"bug"}'
  agent-jobs report --result-file result.json
  agent-jobs report '{"label":"bug"}' --job my-job --item row-1

Exit codes: 0 accepted; 1 unexpected error; 2 invalid usage, or not JSON; 3 refused.`;

export function addReport(program: Command): void {
  program
    .command('report')
    .summary('report the result of an item, as its agent')
    .description('Reports the result of an item: for agents that have only a shell.')
    .argument('[result]', 'the result as JSON')
    .addOption(new Option('--result-file <file>', 'the result from a file; - for standard input'))
    .option('--stop', 'also have the job start no more rows')
    .option('--job <id>', 'the job, outside of an agent', jobId)
    .option('--item <id>', 'the item, outside of an agent')
    .option('--run <n>', 'refuse where another run of the item is on (default: any)', count(1))
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', NOTES)
    .action(report);
}

async function report(given: string | undefined, options: ReportOptions): Promise<void> {
  const message: Message = {
    result: await readResult(given, options.resultFile),
    ...(options.stop && { stop: true }),
    ...(options.job !== undefined && { job_id: options.job }),
    ...(options.item !== undefined && { item_id: options.item }),
    ...(options.run !== undefined && { run: options.run }),
  };
  const target = reportTarget();
  const told = target === undefined ? await update(message) : await post(target, message);
  if (options.json) answerJson(told);
  if (told.accepted) {
    const again = told.duplicate === true ? ' (as it was before)' : '';
    if (!options.json) answer(`The report is accepted${again}.`);
    return;
  }
  process.exitCode = EXIT.failed;
  note('The report is refused:');
  for (const { path, message } of told.errors) {
    note(printable(path === '' ? `  ${message}` : `  ${path}: ${message}`));
  }
}

async function readResult(given: string | undefined, file: string | undefined): Promise<Json> {
  if ((given === undefined) === (file === undefined)) {
    throw new UsageError('give the result: either as JSON or with --result-file');
  }
  let json = given;
  if (file !== undefined) {
    try {
      json = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
    } catch (error) {
      throw new UsageError(`--result-file: ${file} cannot be read: ${(error as Error).message}`);
    }
  }
  try {
    return JSON.parse(json!) as Json;
  } catch (error) {
    const hint = file === undefined ? '; in a shell, put it in single quotes' : '';
    throw new UsageError(`the result is not JSON: ${(error as Error).message}${hint}`);
  }
}

/** To the worker that has started this agent. */
async function post(
  { url, token }: { url: string; token: string },
  message: Message,
): Promise<ReportAnswer> {
  for (;;) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(message),
      });
      return (await response.json()) as ReportAnswer;
    } catch (error) {
      const cause = (error as Error).cause as { code?: string; message?: string } | undefined;
      // The answer takes as long as the server is away; the same report again is no other report.
      if (cause?.code === 'UND_ERR_HEADERS_TIMEOUT') continue;
      throw new Problem(
        `the worker does not answer at ${url}: ${cause?.message ?? (error as Error).message}`,
      );
    }
  }
}

/** To the server. */
async function update(message: Message): Promise<ReportAnswer> {
  const { job_id, item_id } = message;
  if (job_id === undefined || item_id === undefined) {
    throw new UsageError('this is not within an agent: name the item with --job and --item');
  }
  const { connected } = await import('./server.js');
  return connected(({ jobs }) => jobs.report({ ...message, job_id, item_id }));
}
