/** What follows a sample: what the other rows would take, and whether to go on with them. */
import { createInterface } from 'node:readline/promises';
import type { JobHandle, JobStatus, Projection } from '../client.js';
import { compact, dollars } from '../usage-text.js';
import { note } from './output.js';
import { unlessOver } from './unless-ended.js';
import { roughly, rows } from './wording.js';

/** Whether the job waits for the word of a person after its sample. */
export function isSampled({ paused }: JobStatus): boolean {
  return paused?.sample === true;
}

/**
 * Says what the other rows would take, and asks on a terminal whether to go on.
 * @param yes goes on without asking.
 * @returns whether the job goes on (true), or starts no more rows (false); undefined where nobody could be asked.
 */
export async function decide(
  job: JobHandle,
  status: JobStatus,
  yes: boolean,
): Promise<boolean | undefined> {
  const projection = await job.projection();
  note(sampleText(status));
  note(projectionText(projection));
  const goesOn = yes || (await ask(`Go on with the other ${rows(projection.rows_left)}?`));
  // Somebody else may have ended it while the question was open; its end is told then.
  if (goesOn === true) await unlessOver(() => job.resume());
  else if (goesOn === false) await unlessOver(() => job.stop('not to go on after the sample'));
  return goesOn;
}

/** How to go on with a job that is left paused. */
export function howToGoOn(jobId: string): string {
  return (
    `Job ${jobId} is paused after its sample. To go on: agent-jobs resume ${jobId}, ` +
    `and agent-jobs watch ${jobId}; to end it: agent-jobs stop ${jobId}`
  );
}

/** Of the rows that the job has run itself. */
function sampleText({ kept, ...all }: JobStatus): string {
  const completed = all.completed - (kept?.completed ?? 0);
  const failed = all.failed - (kept?.failed ?? 0);
  const cancelled = all.cancelled - (kept?.cancelled ?? 0);
  const others = [
    failed > 0 ? `, ${failed} failed` : '',
    cancelled > 0 ? `, ${cancelled} cancelled` : '',
  ];
  return `Sample of ${rows(completed + failed + cancelled)}: ${completed} completed${others.join('')}.`;
}

function projectionText({
  rows_left,
  seconds_left,
  tokens,
  cost_usd,
  ...perRow
}: Projection): string {
  const { seconds_per_row, tokens_per_row, cost_usd_per_row } = perRow;
  const each: string[] = [];
  const whole: string[] = [];
  if (seconds_per_row !== null) each.push(roughly(seconds_per_row));
  if (seconds_left !== null) whole.push(`${roughly(seconds_left)} to go`);
  if (tokens !== null && tokens_per_row !== null) {
    each.push(`${compact(tokens_per_row)} tokens`);
    whole.push(`${compact(tokens)} tokens`);
  }
  if (cost_usd !== null && cost_usd_per_row !== null) {
    each.push(dollars(cost_usd_per_row));
    whole.push(dollars(cost_usd));
  }
  if (each.length === 0) return `${rows(rows_left)} are left.`;
  return `A row takes ${each.join(', ')}. With the other ${rows(rows_left)}, the job as a whole: ${whole.join(', ')}.`;
}

/** @returns undefined where nobody is there to answer. */
async function ask(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const left = new AbortController();
    terminal.once('SIGINT', () => left.abort());
    terminal.once('close', () => left.abort());
    const answer = await terminal.question(`${question} [y/N] `, { signal: left.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if ((error as Error).name === 'AbortError') return undefined;
    throw error;
  } finally {
    terminal.close();
  }
}
