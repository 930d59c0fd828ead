/** Runs a job to its end, and reads what it leaves: its output, and what its agents printed. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobHandle, JobSpec, JobSummary } from '../../src/client.js';
import { type Site, readOutput } from './site.js';

export interface EndedRow {
  status: string;
  attempts: number;
  error: string;
  /** Undefined where there is none. */
  result: unknown;
  /** What its agents printed, run after run. */
  log: string;
  /** What they were answered to their reports. */
  answers: Answer[];
}

/** The answer to a report, by the tests' agent: its HTTP status and body. */
export interface Answer {
  status: number;
  accepted: boolean;
  duplicate?: true;
  errors?: { path: string; message: string }[];
}

export interface EndedJob {
  jobId: string;
  summary: JobSummary;
  /** By item ID. */
  rows: Record<string, EndedRow>;
}

export async function runJob(site: Site, spec: JobSpec): Promise<EndedJob> {
  return endedJob(site, await site.jobs.start(spec));
}

export async function endedJob(site: Site, job: JobHandle): Promise<EndedJob> {
  const summary = await job.result();
  const rows: Record<string, EndedRow> = {};
  for (const row of await readOutput(summary.output_csv_path)) {
    const log = await logOf(site, job.jobId, Number(row['row_index']));
    rows[row['item_id']!] = {
      status: row['status']!,
      attempts: Number(row['attempt_count']),
      error: row['last_error']!,
      result: row['result_json'] === '' ? undefined : JSON.parse(row['result_json']!),
      log,
      answers: answersIn(log),
    };
  }
  return { jobId: job.jobId, summary, rows };
}

async function logOf(site: Site, jobId: string, rowIndex: number): Promise<string> {
  const folder = join(site.storeFolder, 'jobs', jobId, 'logs');
  const names = (await readdir(folder).catch(() => [])).filter((name) =>
    name.startsWith(`${rowIndex}.`),
  );
  const logs = names.toSorted().map((name) => readFile(join(folder, name), 'utf8'));
  return (await Promise.all(logs)).join('');
}

function answersIn(log: string): Answer[] {
  return [...log.matchAll(/^answer (\d+) (.*)$/gm)].map(([, status, body]) => ({
    status: Number(status),
    ...(JSON.parse(body!) as Omit<Answer, 'status'>),
  }));
}
