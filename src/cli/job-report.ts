/** A job's status as an answer: for people, and as JSON. */
import type { JobStatus } from '../client.js';
import { type Color, answer, answerJson, paint } from './output.js';
import {
  budgetText,
  duration,
  keptText,
  oneLine,
  pauseText,
  rows,
  settingsText,
  timeText,
  usageText,
} from './wording.js';

const MAX_ERROR = 200;
const MAX_ITEM_ID = 60;

interface JobAnswer extends JobStatus {
  /** From start to end, or until now. */
  seconds: number | null;
  web_ui_url: string | null;
}

/** The one JSON shape in which commands tell of a job. */
export function jobAnswer(status: JobStatus, link: string | undefined): JobAnswer {
  const { job_id, state, verdict, ...rest } = status;
  return { job_id, state, verdict, ...rest, seconds: secondsOf(status), web_ui_url: link ?? null };
}

/** Tells how a job ended: all that `run` and `watch` write to standard output. */
export function answerEnd(status: JobStatus, link: string | undefined, json: boolean): void {
  if (json) answerJson(jobAnswer(status, link));
  // It has been brought from there.
  else answerSummary({ ...status, stored_output: null }, link);
}

export function hasEnded({ state }: JobStatus): boolean {
  return state === 'closed' || state === 'terminated' || state === 'refused';
}

/** Says of a job that it cannot be asked any more. */
export function answerEndedAlready(status: JobStatus): void {
  answer(`Job ${status.job_id} has ended already: ${stateWord(status)}.`);
}

function answerSummary(status: JobStatus, link: string | undefined): void {
  const seconds = secondsOf(status);
  const counts = [`${status.completed} of ${rows(status.total)} completed`, ...otherCounts(status)];
  if (seconds !== null) counts.push(duration(seconds));
  answerHead(status, counts);
  answerDetails(status, link);
}

/** How the job stands, for people. */
export function answerStatus(status: JobStatus, link: string | undefined): void {
  if (hasEnded(status)) return answerSummary(status, link);
  const { completed, total, running } = status;
  const counts = [`${completed} of ${rows(total)} completed`, ...otherCounts(status)];
  if (running !== null) counts.splice(1, 0, `${running} running`);
  answerHead(status, counts);
  if (status.state === 'unreachable' && status.error === null) {
    const age = duration((Date.now() - Date.parse(status.as_of)) / 1000);
    line('worker', `none answers, these figures are ${age} old; to start one: agent-jobs worker`);
  }
  if (status.paused !== null) line('paused', pauseText(status.paused).replace(/^paused:? /, ''));
  if (status.waiting_for !== null) line('waiting', `for ${oneLine(status.waiting_for, MAX_ERROR)}`);
  const settings = settingsText(status);
  if (settings !== '') line('settings', settings);
  if (status.deadline !== null) line('deadline', timeText(status.deadline));
  const rate = status.rows_per_second;
  if (rate !== null) {
    const eta = status.eta_seconds;
    line('rate', `${rate.toFixed(1)} rows/s${eta === null ? '' : `, ${duration(eta)} to go`}`);
  }
  answerDetails(status, link);
}

function answerDetails(status: JobStatus, link: string | undefined): void {
  const { job_id, failed, failures, output_csv_path, output_error } = status;
  const { kept } = status;
  if (kept !== undefined) line('kept', keptText(kept));
  if (status.usage !== null) line('usage', usageText(status.usage));
  const budget = budgetText(status.budget);
  if (budget !== '') line('budget', budget);
  if (status.stop_reason !== null) line('stopped', oneLine(status.stop_reason, MAX_ERROR));
  if (status.halt_reason !== null) line('halted', oneLine(status.halt_reason, MAX_ERROR));
  if (status.error !== null) line('reason', oneLine(status.error, 2 * MAX_ERROR));
  failures.forEach(({ item_id, reason, last_error }, index) => {
    const id = oneLine(item_id, MAX_ITEM_ID);
    line(index === 0 ? 'failed' : '', `${id}  ${reason}: ${oneLine(last_error, MAX_ERROR)}`);
  });
  if (failed > failures.length) {
    const all = `agent-jobs items ${job_id} --status failed`;
    if (failures.length > 0) line('', `and ${failed - failures.length} more: ${all}`);
    else line('failed', `see them: ${all}`);
  }
  if (output_error !== null) {
    line('output', painted('red', oneLine(output_error, 2 * MAX_ERROR)));
    line('', `to write it elsewhere: agent-jobs results ${job_id} --output PATH`);
  } else if (status.stored_output !== null) {
    line('output', status.stored_output);
    line('', `to bring it to ${output_csv_path}: agent-jobs results ${job_id}`);
  } else if (status.state === 'closed' && output_csv_path !== null) {
    line('output', output_csv_path);
  } else if (status.state !== 'refused' && output_csv_path !== null) {
    line('output', `not written yet; as it stands: agent-jobs results ${job_id}`);
  }
  if (link !== undefined) line('Web UI', link);
}

const LABEL_WIDTH = 7;

function line(label: string, text: string): void {
  answer(`  ${painted('dim', label.padEnd(LABEL_WIDTH))}  ${text}`);
}

/** The verdict, where there is one. */
export function stateWord({ state, verdict }: JobStatus): string {
  return verdict ?? state;
}

function answerHead(status: JobStatus, counts: string[]): void {
  const word = stateWord(status);
  answer(`Job ${status.job_id}: ${painted(WORD_COLORS[word], word)}. ${counts.join(', ')}.`);
}

const WORD_COLORS: Record<string, Color> = { succeeded: 'green', partial: 'yellow', failed: 'red' };

function otherCounts({ failed, cancelled, pending, verdict }: JobStatus): string[] {
  const counts: string[] = [];
  if (failed > 0) counts.push(`${failed} failed`);
  if (cancelled > 0) counts.push(`${cancelled} cancelled`);
  if (pending > 0 && verdict !== null) counts.push(`${pending} not processed`);
  else if (pending > 0) counts.push(`${pending} pending`);
  return counts;
}

function secondsOf({ started_at, ended_at }: JobStatus): number | null {
  if (started_at === null) return null;
  const end = ended_at === null ? Date.now() : Date.parse(ended_at);
  return Math.round((end - Date.parse(started_at)) / 100) / 10;
}

function painted(color: Color | undefined, text: string): string {
  return paint(process.stdout, color ?? 'bold', text);
}
