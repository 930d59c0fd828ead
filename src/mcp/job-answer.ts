/** A job as tools tell of it: the shape in which Codex's own tool answered. */
import { z } from 'zod';
import { hasEnded } from '../cli/job-report.js';
import { pauseText } from '../cli/wording.js';
import type { AgentJobs, JobStatus } from '../client.js';
import type { JobStart } from './job-starts.js';

export const STATUS_HELP =
  '`status` is "completed" only where every row was completed; otherwise a job that has ended is ' +
  '"partial" (some rows were not completed), "failed" (none was, or the job itself failed: see `job_error`), ' +
  '"stopped" (rows are left that were never started) or "cancelled". One that goes on is "running", or ' +
  '"pending" while it is being started.';

export const jobAnswerSchema = z.object({
  job_id: z.string(),
  status: z.enum(['pending', 'running', 'completed', 'partial', 'failed', 'stopped', 'cancelled']),
  output_csv_path: z.string().nullable(),
  total_items: z.int().min(0),
  completed_items: z.int().min(0),
  failed_items: z.int().min(0),
  job_error: z.string().nullable().describe('What is wrong with the job as a whole.'),
  failed_item_errors: z
    .array(
      z.object({
        item_id: z.string(),
        source_id: z.string().nullable(),
        last_error: z.string(),
      }),
    )
    .nullable()
    .describe('Some of the failed rows.'),
  waiting_for: z
    .string()
    .optional()
    .describe(
      'Why no more rows are started just now; the job goes on by itself, unless it was paused by a person.',
    ),
  next: z.string().optional().describe('What to do to follow a job that goes on.'),
});

export type JobAnswer = z.infer<typeof jobAnswerSchema>;

/** Tells of a job. @param said what there is to say beside it, while it goes on. */
export async function jobAnswer(
  jobs: AgentJobs,
  status: JobStatus,
  known: Partial<Pick<JobStart, 'total' | 'output_csv_path'>> = {},
  said?: string,
): Promise<JobAnswer> {
  const { job_id } = status;
  return {
    job_id,
    status: statusWord(status),
    // Empty while the job opens its input.
    output_csv_path: status.output_csv_path || (known.output_csv_path ?? null),
    total_items: status.total || (known.total ?? 0),
    completed_items: status.completed,
    failed_items: status.failed,
    job_error: status.error ?? status.output_error ?? status.halt_reason ?? status.stop_reason,
    failed_item_errors: await failedItems(jobs, status),
    ...waiting(status),
    ...(!hasEnded(status) && { next: [said, followHint(job_id)].filter(Boolean).join(' ') }),
  };
}

function waiting({ paused, waiting_for }: JobStatus): Pick<JobAnswer, 'waiting_for'> {
  const why = paused === null ? waiting_for : pauseText(paused);
  return why === null ? {} : { waiting_for: why };
}

/** Tells of a job whose start takes longer than the call may wait. */
export function startAnswer(jobId: string, { total, output_csv_path }: JobStart): JobAnswer {
  return {
    job_id: jobId,
    status: 'pending',
    output_csv_path,
    total_items: total,
    completed_items: 0,
    failed_items: 0,
    job_error: null,
    failed_item_errors: null,
    next: `The server and the worker for it are still being started. ${followHint(jobId)}`,
  };
}

function followHint(jobId: string): string {
  return `The job goes on. To wait for its end, call get_agent_job with {"job_id": "${jobId}", "wait_seconds": 45}, again until its status is no longer "running".`;
}

/** How the job stands, in the words of the tools. */
export function statusWord(status: JobStatus): JobAnswer['status'] {
  if (!hasEnded(status)) return 'running';
  if (status.verdict === 'succeeded') return 'completed';
  return status.verdict ?? 'failed';
}

async function failedItems(
  jobs: AgentJobs,
  { job_id, failures }: JobStatus,
): Promise<JobAnswer['failed_item_errors']> {
  if (failures.length === 0) return null;
  const sources = await jobs.job(job_id).sourceIds(failures.map(({ item_id }) => item_id));
  return failures.map(({ item_id, reason, last_error }) => ({
    item_id,
    source_id: sources.get(item_id) ?? null,
    last_error: `${reason}: ${last_error}`,
  }));
}
