import { type Command, Option } from 'commander';
import type { ItemStatus, ItemSummary } from '../client.js';
import { jobArgument, storeOption } from './arguments.js';
import { answer, note, readerGone } from './output.js';
import { oneLine } from './wording.js';

const STATUSES: ItemStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled'];
const MAX_ERROR = 200;

export function addItems(program: Command): void {
  program
    .command('items')
    .summary('the rows of a job')
    .description('Lists the items of a job in the order of the input.')
    .addArgument(jobArgument())
    .addOption(new Option('--status <status>', 'only these (default: all)').choices(STATUSES))
    .option('--json', 'print a JSON array, one item a line')
    .addOption(storeOption())
    .addHelpText('after', '\nExample:\n  agent-jobs items my-job --status running --json')
    .action(items);
}

async function items(id: string, options: { status?: ItemStatus; json?: true }): Promise<void> {
  const { connected } = await import('./server.js');
  await connected(async ({ jobs }) => {
    const found = jobs.job(id).items(options.status);
    const count = await (options.json ? printJson(found) : printLines(found));
    if (count > 0) return;
    // None of that status, or not opened yet; or there is no such job.
    const { state } = await jobs.job(id).status();
    if (options.json) answer('[]');
    else note(`Job ${id} (${state}) has no ${options.status ? `${options.status} ` : ''}items.`);
  });
}

/** As they come: a job may have more than fit into memory. */
async function printJson(found: AsyncIterable<ItemSummary>): Promise<number> {
  let before = '[';
  let count = 0;
  for await (const item of found) {
    answer(before);
    before = `${JSON.stringify(item)},`;
    count += 1;
    if (readerGone()) break;
  }
  if (count > 0) answer(`${before.slice(0, -1)}\n]`);
  return count;
}

async function printLines(found: AsyncIterable<ItemSummary>): Promise<number> {
  let count = 0;
  for await (const { item_id, status, attempt_count, last_error } of found) {
    const error = last_error === null ? '' : `  ${oneLine(last_error, MAX_ERROR)}`;
    const tries = attempt_count > 1 ? `  (${attempt_count} attempts)` : '';
    answer(`${status.padEnd(9)}  ${oneLine(item_id, 100)}${tries}${error}`);
    count += 1;
    if (readerGone()) return count;
  }
  return count;
}
