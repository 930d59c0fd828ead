import { type JobProgress, type Pause, ended } from '../job.js';
import { itemWorkflowId } from '../messages.js';

/** The job as Markdown, for the current details in the Web UI. */
export function jobDetails(progress: JobProgress, namespace: string): string {
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
  if (progress.waiting_for !== null) lines.push('', `Waiting for: ${escape(progress.waiting_for)}`);
  if (progress.paused !== null) lines.push('', pauseText(progress.paused));
  if (progress.stop_reason !== null) lines.push('', `Stopping: ${escape(progress.stop_reason)}`);
  if (progress.halt_reason !== null) lines.push('', `Halted: ${escape(progress.halt_reason)}`);
  if (progress.last_failures.length > 0) {
    lines.push('', 'Last failures:', '');
    for (const { item_id, reason, last_error, generation } of progress.last_failures) {
      const id = encodeURIComponent(itemWorkflowId(progress.job_id, item_id, generation));
      const link = `/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
      lines.push(`- [${escape(item_id)}](${link}) ${escape(`${reason}: ${last_error}`)}`);
    }
  }
  lines.push('', `Output: ${escape(progress.output_csv_path)}`);
  return lines.join('\n');
}

function pauseText({ reason, until }: Pause): string {
  const end = until === null ? '' : ` until ${until.slice(11, 16)} UTC`;
  return `Paused${end}: ${escape(reason)}`;
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
