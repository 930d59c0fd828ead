/** How things are said to people. */
import type { JobStatus } from '../client.js';
import { type Budget, type KeptRows, type Pause, type Usage, ended } from '../job.js';
import { compact, dollars, spentText } from '../usage-text.js';

/** `4.2 s`, `42 s`, `1 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** A forecast: no more exact than it can be. */
export function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 600) return duration(Math.ceil(seconds / 10) * 10);
  return duration(Math.ceil(seconds / 60) * 60);
}

/** `1 row`, `2 rows`. */
export function rows(count: number): string {
  return `${count} ${count === 1 ? 'row' : 'rows'}`;
}

/** Text that came from rows and agents, without what would command the terminal. */
export function printable(text: string): string {
  // Control characters but newline and tab, and those that reverse the direction of writing.
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === '\n' || character === '\t' ? character : '\ufffd',
  );
}

/** The same on one line of at most `max` characters. */
export function oneLine(text: string, max: number): string {
  const line = printable(text.replace(/\s+/g, ' ').trim());
  return line.length <= max ? line : `${line.slice(0, max - 1).toWellFormed()}…`;
}

/** `paused until 14:05: quota`, in local time. */
export function pauseText({ reason, until }: Pause): string {
  if (until === null) return `paused: ${oneLine(reason, 200)}`;
  return `paused until ${timeText(until)}: ${oneLine(reason, 200)}`;
}

/** `14:05`, with the date where it is another day; in local time. @param iso ISO 8601. */
export function timeText(iso: string): string {
  const at = new Date(iso);
  const time = at.toTimeString().slice(0, 5);
  return at.toDateString() === new Date().toDateString() ? time : `${at.toDateString()} ${time}`;
}

/** What holds of what `set` can change: `16 at once, 30 min for an agent, 30/m, 5 failed tolerated`. */
export function settingsText({ max_concurrency, settings }: JobStatus): string {
  if (settings === null) return '';
  const { max_runtime_seconds, rate, tolerated_failures, tolerated_failure_percentage } = settings;
  return [
    `${max_concurrency} at once`,
    `${duration(max_runtime_seconds)} for an agent`,
    ...(rate === null ? [] : [rate]),
    ...(tolerated_failures === null ? [] : [`${tolerated_failures} failed tolerated`]),
    ...(tolerated_failure_percentage === null
      ? []
      : [`${tolerated_failure_percentage} % failed tolerated`]),
  ].join(', ');
}

/** What models were used for: `1.2M tokens in (800k cached), 34k out, $0.56`. */
export function usageText({
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost_usd,
}: Usage): string {
  const cached = cached_input_tokens > 0 ? ` (${compact(cached_input_tokens)} cached)` : '';
  const cost = cost_usd === undefined ? '' : `, ${dollars(cost_usd)}`;
  return `${compact(input_tokens)} tokens in${cached}, ${compact(output_tokens)} out${cost}`;
}

/** `$5.00, 1.0M tokens`: what a job may spend; empty where that is not limited. */
export function budgetText(budget: Budget | null): string {
  const caps = Object.entries(budget ?? {}) as [keyof Budget, number][];
  return caps.map(([of, max]) => spentText(of, max)).join(', ');
}

/** Rows that a job did not start: `12 rows have the outcome of an earlier job, 3 were not selected`. */
export function keptText(kept: KeptRows): string {
  const count = ended(kept);
  const parts = [`${rows(count)} ${count === 1 ? 'has' : 'have'} the outcome of an earlier job`];
  if (kept.pending > 0) parts.push(`${kept.pending} pending not selected`);
  return parts.join(', ');
}
