import { basename } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Client } from '@temporalio/client';
import {
  type AgentSpec,
  DEFAULT_MAX_CONCURRENCY,
  type AttemptUsage,
  type Outcome,
  type Pause,
} from '../job.js';
import { ROW_MEMO } from '../messages.js';
import { htmlPage } from '../output/html-page.js';
import { writeWhole } from '../output/output-file.js';
import { MAX_LISTED_ROWS } from '../output/page-budget.js';
import type { ReportJob, ReportRow } from '../report-page/shape.js';
import type { JobRecord } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';
import { transcript } from '../transcript/transcript.js';
import { items } from '../known-outcomes.js';
import { rowsFrom } from './job-items.js';
import { jobStatus } from './job-status.js';

/** Texts of rows that are read at once: a store may be a network away. */
const ROWS_AT_ONCE = 8;
/** Beyond what any row gets on the page, so that it can tell what was shortened. */
const MAX_TEXT_CHARS = 8192;

/** Writes the page of a job as it stands, whole or not at all. */
export async function writeReportPage(
  path: string,
  client: Client,
  stored: StoredJob,
  record: JobRecord,
): Promise<void> {
  const job = await reportJob(client, stored, record);
  await writeWhole(path, htmlPage(job, reportRows(client, stored, record)));
}

async function reportJob(client: Client, stored: StoredJob, record: JobRecord): Promise<ReportJob> {
  const status = await jobStatus(client, stored);
  const { spec } = record;
  return {
    job_id: status.job_id,
    word: status.verdict ?? status.state,
    total: record.total,
    completed: status.completed,
    failed: status.failed,
    cancelled: status.cancelled,
    running: status.running,
    // Those in flight are counted apart.
    pending: status.pending,
    reason: status.stop_reason ?? status.halt_reason ?? pauseText(status.paused) ?? status.error,
    usage: status.usage,
    instruction: spec.instruction.slice(0, MAX_TEXT_CHARS),
    agent: agentName(spec.agent),
    // Whoever gets the page has no use for the folders.
    input: basename(spec.csv_path),
    output: status.output_csv_path === null ? null : basename(status.output_csv_path),
    max_concurrency: status.max_concurrency ?? spec.max_concurrency ?? DEFAULT_MAX_CONCURRENCY,
    started: timeOf(status.started_at),
    ended: timeOf(status.ended_at),
    written: Date.now(),
  };
}

/** In UTC: the page may be read anywhere. */
function pauseText(paused: Pause | null): string | null {
  if (paused === null) return null;
  const until =
    paused.until === null ? '' : ` until ${paused.until.slice(0, 16).replace('T', ' ')} UTC`;
  return `paused${until}: ${paused.reason}`;
}

/** Without arguments, which may hold what is not for everybody. */
function agentName(agent: AgentSpec): string {
  if ('preset' in agent) return agent.preset;
  if ('command' in agent) return basename(agent.command[0] ?? '');
  return 'activity' in agent ? agent.activity : 'external';
}

function timeOf(time: string | null): number | null {
  return time === null ? null : Date.parse(time);
}

/** The rows of a job for its page, in input order. */
async function* reportRows(
  client: Client,
  stored: StoredJob,
  record: JobRecord,
): AsyncGenerator<ReportRow> {
  const listed = Math.min(record.total, MAX_LISTED_ROWS);
  const starts = await startTimes(client, stored.jobId, listed);
  const lastRuns = await stored.logs.lastRuns(listed);
  const { agent } = record.spec;
  const preset = 'preset' in agent ? agent.preset : undefined;
  const whole = async (found: FoundRow): Promise<ReportRow> => {
    const { row_index, item_id, status, outcome, page_row } = found;
    const start = starts[row_index]!;
    const lastRun = lastRuns.get(row_index);
    const log = lastRun && (await stored.logs.one(lastRun));
    return {
      n: row_index,
      id: item_id,
      status,
      attempts: outcome?.attempt_count ?? 0,
      ...(Number.isNaN(start) ? {} : { start }),
      ...(outcome !== undefined && (await outcomeParts(stored, outcome))),
      input: JSON.stringify(await stored.cells(page_row)).slice(0, MAX_TEXT_CHARS),
      ...(log !== undefined && {
        runs: lastRun!.run,
        log: logText(preset === undefined ? log : transcript(preset, log).join('\n')),
      }),
    };
  };
  let group: FoundRow[] = [];
  for await (const found of rowsFrom(client, stored, 0)) {
    if (found.row_index === listed) break;
    group.push(found);
    if (group.length < ROWS_AT_ONCE) continue;
    yield* await Promise.all(group.map(whole));
    group = [];
  }
  yield* await Promise.all(group.map(whole));
}

type FoundRow = ReturnType<typeof rowsFrom> extends AsyncGenerator<infer Row> ? Row : never;

/** When the items were started, in milliseconds by row; NaN where the server does not know it (any more). */
async function startTimes(client: Client, jobId: string, rows: number): Promise<Float64Array> {
  const starts = new Float64Array(rows).fill(NaN);
  for await (const { memo, startTime } of items(client, jobId)) {
    const row = Number(memo?.[ROW_MEMO]);
    // Of an item that was retried, the last one.
    if (row < rows && !(startTime.getTime() < starts[row]!)) starts[row] = startTime.getTime();
  }
  return starts;
}

/** Without what colours a terminal. */
function logText(log: string): string {
  return stripVTControlCharacters(log).trimEnd().slice(-MAX_TEXT_CHARS);
}

async function outcomeParts(stored: StoredJob, outcome: Outcome): Promise<Partial<ReportRow>> {
  const parts: Partial<ReportRow> = {
    // Of a row that an earlier job has run, it is no point of this one's time.
    ...(outcome.origin === undefined && { end: Date.parse(outcome.completed_at) }),
    ...(outcome.usage !== undefined && usageParts(outcome.usage)),
  };
  if (outcome.status === 'completed') {
    const result = JSON.stringify(await stored.result(outcome.result));
    return { ...parts, result: result.slice(0, MAX_TEXT_CHARS) };
  }
  if (outcome.status === 'cancelled') return { ...parts, error: outcome.last_error };
  return {
    ...parts,
    reason: outcome.reason,
    error: outcome.last_error,
    ...(outcome.failure_class !== undefined && { class: outcome.failure_class }),
  };
}

function usageParts(usage: AttemptUsage[]): Partial<ReportRow> {
  const tokens = usage.reduce((sum, each) => sum + each.input_tokens + each.output_tokens, 0);
  const costs = usage.flatMap(({ cost_usd }) => cost_usd ?? []);
  return {
    tokens,
    ...(costs.length > 0 && { cost: costs.reduce((sum, cost) => sum + cost, 0) }),
  };
}
