import { type JobProgress, type Pause, ended } from '../job.js';
import { workflowIdOf } from '../messages.js';
import { spentText } from '../usage-text.js';
import { spentOf } from './budget.js';

/**
 * The job as Markdown, for the current details in the Web UI.
 * @param encrypted nothing of a row, an agent or an operator is to be told.
 */
export function jobDetails(progress: JobProgress, namespace: string, encrypted = false): string {
  const { total, completed, failed, cancelled, running, pending } = progress;
  const done = completed + failed + cancelled;
  const percent = total === 0 ? 0 : Math.floor((100 * done) / total);
  // Few lines: the Web UI shows some ten at once.
  const lines = [
    `**${progress.state}**: ${done} of ${total} rows (${percent} %)`,
    '',
    `${completed} completed, ${failed} failed, ${cancelled} cancelled, ${running} running, ${pending} pending`,
  ];
  if (progress.kept !== undefined) {
    lines.push('', `${ended(progress.kept)} of them with the outcome of an earlier job`);
  }
  if (progress.rows_per_second !== null && progress.state === 'running') {
    const eta = progress.eta_seconds === null ? '' : `, ${duration(progress.eta_seconds)} to go`;
    lines.push('', `${progress.rows_per_second.toFixed(1)} rows per second${eta}`);
  }
  const spent = spentOf(progress.budget, progress.usage).map(
    ({ of, spent: amount, max }) => `${spentText(of, amount)} of ${spentText(of, max)}`,
  );
  if (spent.length > 0) lines.push('', `Spent: ${spent.join(', ')}`);
  if (progress.waiting_for !== null) lines.push('', `Waiting for: ${escape(progress.waiting_for)}`);
  if (progress.paused !== null) lines.push('', pauseText(progress.paused, encrypted));
  if (progress.deadline !== null && progress.state !== 'closed')
    lines.push('', `Deadline: ${minuteOf(progress.deadline)} UTC`);
  if (progress.stop_reason !== null) {
    lines.push('', encrypted ? 'Stopping' : `Stopping: ${escape(progress.stop_reason)}`);
  }
  if (progress.halt_reason !== null) lines.push('', `Halted: ${escape(progress.halt_reason)}`);
  if (progress.last_failures.length > 0) {
    lines.push('', 'Last failures:', '');
    const job = { job_id: progress.job_id, ...(encrypted && { encrypted }) };
    for (const { row_index = 0, ...failure } of progress.last_failures) {
      const { item_id, reason, last_error } = failure;
      const id = encodeURIComponent(workflowIdOf(job, { ...failure, row_index }));
      const link = `/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
      const [name, why] = encrypted
        ? [`row-${row_index + 1}`, reason]
        : [item_id, `${reason}: ${last_error}`];
      lines.push(`- [${escape(name)}](${link}) ${escape(why)}`);
    }
  }
  if (progress.output_csv_path !== '')
    lines.push('', `Output: ${escape(progress.output_csv_path)}`);
  return lines.join('\n');
}

/** In UTC. @param time ISO 8601, with any offset. */
function minuteOf(time: string): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

function pauseText({ reason, until }: Pause, encrypted: boolean): string {
  const end = until === null ? '' : ` until ${until.slice(11, 16)} UTC`;
  return encrypted ? `Paused${end}` : `Paused${end}: ${escape(reason)}`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** The Web UI renders Markdown: what comes from rows and agents is text, not markup. */
function escape(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]()<>#+!|~&$@:]/g, '\\$&');
}
