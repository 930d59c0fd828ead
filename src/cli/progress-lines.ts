/** How a job stands, as the live display and the plain lines show it. */
import cliProgress from 'cli-progress';
import type { JobStatus } from '../client.js';
import { ended } from '../job.js';
import type { Color } from './output.js';
import { oneLine, pauseText, roughly, usageText } from './wording.js';

interface Segment {
  text: string;
  color?: Color | undefined;
}

/** A line on the terminal. */
export type Line = Segment[];

const MAX_BAR = 50;
const MIN_BAR = 5;
const SEPARATOR = ' · ';
const { barCompleteChar, barIncompleteChar } = cliProgress.Presets.shades_classic;

/**
 * @param columns width of the terminal; no line is as wide, so that none wraps by itself.
 * @param late seconds within which the job ends in nine cases of ten, where that is known.
 */
export function progressLines(status: JobStatus, columns: number, late?: number): Line[] {
  const width = Math.max(1, columns - 1);
  return [barLine(status, width), ...wrap(facts(status, late), width)];
}

/** The same on one line, for logs. */
export function progressText(status: JobStatus): string {
  const { total } = status;
  const texts = facts(status).map(({ text }) => text);
  return [`${doneOf(status)}/${total} done`, ...texts].join(', ');
}

/** What has to change for another line to be worth printing. */
export function progressKey(status: JobStatus): string {
  const { state, completed, failed, cancelled, running, paused } = status;
  return [state, completed, failed, cancelled, running, paused?.until].join();
}

function doneOf({ completed, failed, cancelled }: JobStatus): number {
  return completed + failed + cancelled;
}

function barLine(status: JobStatus, width: number): Line {
  const done = doneOf(status);
  const ratio = status.total === 0 ? 0 : done / status.total;
  const label = `${String(Math.floor(100 * ratio)).padStart(3)}%  ${done}/${status.total}`;
  const size = Math.min(MAX_BAR, width - label.length - 1);
  if (size < MIN_BAR) return [{ text: label.trim().slice(0, width) }];
  return [{ text: bar(ratio, size), color: 'green' }, { text: ` ${label}` }];
}

function bar(ratio: number, size: number): string {
  return cliProgress.Format.BarFormat(ratio, {
    barsize: size,
    barCompleteString: barCompleteChar.repeat(size),
    barIncompleteString: barIncompleteChar.repeat(size),
    barGlue: '',
  });
}

/** What there is to say beside done and total; the least important last. */
function facts(status: JobStatus, late?: number): Segment[] {
  const { state, running, failed, cancelled, rows_per_second: rate, eta_seconds: eta } = status;
  const list: Segment[] = [];
  const doing = DOING[state];
  if (status.paused !== null && state === 'paused') {
    list.push({ text: pauseText(status.paused), color: 'yellow' });
  }
  if (status.halt_reason !== null) {
    list.push({ text: `halted: ${oneLine(status.halt_reason, 100)}`, color: 'red' });
  }
  if (doing !== undefined) list.push({ text: doing, color: 'yellow' });
  if (running !== null) list.push({ text: `${running} running` });
  if (status.waiting_for !== null) {
    list.push({ text: `waiting for ${oneLine(status.waiting_for, 100)}`, color: 'yellow' });
  }
  list.push({ text: `${failed} failed`, color: failed > 0 ? 'red' : undefined });
  if (status.kept !== undefined) list.push({ text: `${ended(status.kept)} of an earlier job` });
  if (cancelled > 0) list.push({ text: `${cancelled} cancelled` });
  if (rate !== null) list.push({ text: `${rate.toFixed(1)} rows/s` });
  if (eta !== null && state === 'running') {
    const p90 = late === undefined ? '' : ` (p90: ${roughly(late)})`;
    list.push({ text: `${roughly(eta)} to go${p90}` });
  }
  if (status.usage !== null) list.push({ text: usageText(status.usage) });
  return list;
}

const DOING: Partial<Record<JobStatus['state'], string>> = {
  opening: 'reading the input',
  stopping: 'stopping',
  cancelling: 'cancelling',
  exporting: 'writing the output',
  unreachable: 'no worker answers',
};

function wrap(segments: Segment[], width: number): Line[] {
  const lines: Line[] = [];
  let used = 0;
  for (const { text, color } of segments) {
    const last = lines.at(-1);
    if (last !== undefined && used + SEPARATOR.length + text.length <= width) {
      last.push({ text: SEPARATOR, color: 'dim' }, { text, color });
      used += SEPARATOR.length + text.length;
    } else {
      lines.push([{ text: text.slice(0, width), color }]);
      used = text.length;
    }
  }
  return lines;
}
