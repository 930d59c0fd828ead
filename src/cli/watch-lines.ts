/** A job on a whole terminal, as lines. */
import type { ItemSummary, JobStatus } from '../client.js';
import { stateWord } from './job-report.js';
import { etaAtP90 } from './eta.js';
import { type Line, progressLines } from './progress-lines.js';
import { duration, oneLine } from './wording.js';

export interface WatchedJob {
  status: JobStatus;
  /** Oldest first; undefined until it is known. */
  running: ItemSummary[] | undefined;
  /** What their agents have said last, by workflow ID. */
  said: ReadonlyMap<string, string>;
  /** Rows that ended in each of the last seconds, the newest last. */
  ended: number[];
  notes: string[];
  now: number;
}

const FOOTER = 'q quits; the job goes on';
const BLOCKS = '▁▂▃▄▅▆▇█';
const MAX_NOTES = 3;
const MAX_ID_SHARE = 0.4;
const TIME_WIDTH = 12;

/** @returns as many lines as the terminal has, the least important left out. */
export function watchLines(job: WatchedJob, columns: number, rows: number): Line[] {
  const width = Math.max(1, columns - 1);
  const { status, now } = job;
  const head: Line[] = [
    headLine(status, now, width),
    ...progressLines(status, columns, etaAtP90(status, job.ended)),
  ];
  if (job.ended.length > 1) head.push(rateLine(job.ended, width));
  const notes = job.notes
    .slice(-MAX_NOTES)
    .map((text): Line => [{ text: oneLine(text, width), color: 'yellow' }]);
  const footer: Line[] = [...notes, [{ text: FOOTER.slice(0, width), color: 'dim' }]];
  const room = rows - head.length - footer.length;
  const failures = failureLines(status, width);
  // Each with a blank line before it.
  const failureRoom =
    failures.length === 0 ? 0 : Math.min(failures.length + 1, Math.floor(room / 2));
  const body = [
    ...section(runningLines(job, width, room - failureRoom - 1), room - failureRoom),
    ...section(failures, failureRoom),
  ];
  const space = Array.from({ length: Math.max(0, room - body.length) }, (): Line => []);
  // How it is left is the last to go.
  return [...head.slice(0, Math.max(0, rows - footer.length)), ...body, ...space, ...footer];
}

function section(lines: Line[], room: number): Line[] {
  return room < 3 || lines.length === 0 ? [] : [[] as Line, ...lines].slice(0, room);
}

function headLine(status: JobStatus, now: number, width: number): Line {
  const since = status.started_at === null ? NaN : (now - Date.parse(status.started_at)) / 1000;
  const time = Number.isNaN(since) ? '' : duration(Math.max(0, since));
  const name = oneLine(`Job ${status.job_id}: ${stateWord(status)}`, width);
  const gap = width - name.length - time.length;
  const line: Line = [{ text: name, color: 'bold' }];
  if (time !== '' && gap > 0) line.push({ text: ' '.repeat(gap) + time, color: 'dim' });
  return line;
}

function rateLine(ended: number[], width: number): Line {
  const label = ' rows each second';
  const shown = ended.slice(-Math.max(1, Math.min(60, width - label.length - 8)));
  const most = Math.max(1, ...shown);
  const bars = shown.map((count) =>
    count === 0 ? ' ' : BLOCKS[Math.ceil((count / most) * BLOCKS.length) - 1]!,
  );
  const line: Line = [{ text: bars.join(''), color: 'green' }];
  if (bars.length + label.length + 8 <= width) {
    line.push({ text: `${label}, ${most} at most`.slice(0, width - bars.length), color: 'dim' });
  }
  return line;
}

function runningLines({ running, said, now }: WatchedJob, width: number, room: number): Line[] {
  if (running === undefined || running.length === 0) return [];
  const fit = running.length + 1 <= room ? running.length : Math.max(0, room - 2);
  const lines: Line[] = [[{ text: `Running: ${running.length}`.slice(0, width), color: 'bold' }]];
  const shown = running.slice(0, fit);
  const idWidth = Math.min(
    Math.max(...shown.map(({ item_id }) => item_id.length)),
    Math.floor(width * MAX_ID_SHARE),
  );
  for (const { item_id, workflow_id, started_at } of shown) {
    const seconds = started_at === null ? 0 : (now - Date.parse(started_at)) / 1000;
    const time = duration(Math.max(0, seconds)).padStart(TIME_WIDTH);
    const last = said.get(workflow_id);
    const id = oneLine(item_id, Math.max(1, last === undefined ? width - TIME_WIDTH - 2 : idWidth));
    const line: Line = [{ text: time, color: 'dim' }, { text: `  ${id}` }];
    const room = width - TIME_WIDTH - idWidth - 4;
    if (last !== undefined && room > 0) {
      line.push({ text: ' '.repeat(idWidth - id.length + 2) + oneLine(last, room), color: 'dim' });
    }
    lines.push(line);
  }
  if (fit < running.length) {
    lines.push([
      { text: `              and ${running.length - fit} more`.slice(0, width), color: 'dim' },
    ]);
  }
  return lines;
}

function failureLines({ failed, failures }: JobStatus, width: number): Line[] {
  if (failed === 0) return [];
  const title = `Failed: ${failed}${failed > failures.length ? ', the last of them' : ''}`;
  const lines: Line[] = [[{ text: title.slice(0, width), color: 'bold' }]];
  for (const { item_id, reason, last_error } of failures.toReversed()) {
    const id = oneLine(item_id, Math.max(8, Math.floor(width * MAX_ID_SHARE)));
    const why = oneLine(`${reason}: ${last_error}`, Math.max(1, width - id.length - 4));
    lines.push([{ text: `  ${id}  `, color: 'red' }, { text: why }]);
  }
  return lines;
}
