import type { Client } from '@temporalio/client';
import { GitError } from '../agent/git.js';
import { type FixedCommit, fixedCommit } from '../agent/repository.js';
import { parseWorkdir } from '../agent/workdir.js';
import { InputError } from '../input/input-error.js';
import { ItemIds } from '../input/item-ids.js';
import { dirname } from 'node:path';
import { isJsonLines, readRows } from '../input/read-rows.js';
import { rowKeys } from '../input/row-keys.js';
import { TemplateError, parseTemplate } from '../input/template.js';
import { type JobSpec, type Json, type RerunSpec, isProcess } from '../job.js';
import { OutputError, checkOutput } from '../output/output-file.js';
import { withReuse } from '../reuse/earlier-results.js';
import { taskHash } from '../reuse/task-hash.js';
import { RerunRefused } from '../rerun/earlier-rows.js';
import { SpecError, settingsOf } from '../spec.js';
import { InputPages } from '../store/input-pages.js';
import type { JobRecord, StoredRow } from '../store/job-record.js';
import type { JobStore, StoredJob } from '../store/job-store.js';
import { KeptOutcomes, type RowWithOutcome } from '../store/kept-outcomes.js';
import { type RowsToOpen, openRerun } from './open-rerun.js';

/** The input, the instruction or the output path has to be mended before the job can start. */
export class InvalidInput extends Error {
  override name = 'InvalidInput';
}

/** What a job would find: the columns and the number of its rows. */
export interface CheckedInput {
  columns: string[];
  total: number;
  /** From what its rows start, where each has a worktree. */
  isolation?: FixedCommit;
}

/**
 * Reads the whole input and checks it against the spec: that it is well-formed, that the ID column,
 * those with limits and the placeholders of instruction and working directory are there, that the output can be written
 * where it is a file of this host, that there is a commit to work on where the job wants worktrees.
 * @param onRow called with each row, in order.
 * @throws {InvalidInput} with a message for the person who started the job.
 */
export async function checkInput(
  jobId: string,
  spec: JobSpec,
  { rows, columns }: RowsToOpen = inputRows(spec),
  onRow?: (row: RowWithOutcome) => Promise<void>,
): Promise<CheckedInput> {
  try {
    let total = 0;
    for await (const row of rows) {
      if (total === 0 && !isJsonLines(spec.csv_path)) checkColumns(spec, columns());
      await onRow?.(row);
      total += 1;
    }
    checkColumns(spec, columns());
    if (spec.input_key === undefined) {
      const output = settingsOf(spec, jobId).output_csv_path;
      await checkOutput(output, {
        input: spec.csv_path,
        jobId,
        overwrite: spec.overwrite ?? false,
      });
    }
    const isolation = await isolationOf(spec, columns());
    return { columns: columns(), total, ...(isolation !== undefined && { isolation }) };
  } catch (error) {
    if (
      error instanceof InputError ||
      error instanceof TemplateError ||
      error instanceof OutputError ||
      error instanceof RerunRefused
    ) {
      throw new InvalidInput(error.message, { cause: error });
    }
    throw error;
  }
}

/**
 * Snapshots the input into the store. Once it is complete, its job is not read again.
 * @param runId the first run of the job. @throws {InvalidInput}
 */
export async function snapshotInput(
  site: { client: Client; store: JobStore },
  jobId: string,
  given: JobSpec | RerunSpec,
  runId?: string,
): Promise<JobRecord> {
  const stored = site.store.job(jobId);
  const earlier = await stored.record();
  if (earlier !== undefined) {
    if (isOfAnother(earlier, runId)) {
      throw new InvalidInput(
        `the job store has an earlier job ${jobId}: start this one with another workflow ID`,
      );
    }
    return earlier;
  }
  const { spec, rows, keeps } = await rowsToOpen(site, stored, given);
  const { columns } = rows;
  const task = async () => taskHash(spec, (await isolationOf(spec, columns()))?.commit);
  const opened = spec.reuse ? { columns, rows: withReuse(site.store, rows.rows, task) } : rows;
  const pages = new InputPages(stored);
  const kept = new KeptOutcomes(stored);
  const checked = await checkInput(jobId, spec, opened, async ({ outcome, ...row }) => {
    await kept.add({ ...row, ...(outcome !== undefined && { outcome }) });
    const keys = spec.keyed_limits && rowKeys(jobId, Object.keys(spec.keyed_limits), row.row);
    await pages.add({ ...row, ...(keys !== undefined && { keys }) });
  });
  await pages.end();
  const record: JobRecord = {
    job_id: stored.jobId,
    spec,
    output_csv_path: settingsOf(spec, stored.jobId).output_csv_path,
    ...checked,
    ...((keeps || spec.reuse) && { kept: await kept.end() }),
    ...(stored.encrypts && { encrypted: true }),
    ...(runId !== undefined && { run_id: runId }),
    created_at: new Date().toISOString(),
  };
  await site.store.saveTask(taskHash(spec, checked.isolation?.commit), jobId);
  await stored.saveRecord(record);
  return record;
}

/** Whether a workflow ID has been used again, as the server allows once a workflow has closed. */
function isOfAnother({ run_id }: JobRecord, runId: string | undefined): boolean {
  return run_id !== undefined && runId !== undefined && run_id !== runId;
}

/** @throws {InvalidInput} */
async function rowsToOpen(
  site: { client: Client; store: JobStore },
  stored: StoredJob,
  given: JobSpec | RerunSpec,
): Promise<{ spec: JobSpec; rows: RowsToOpen; keeps: boolean }> {
  try {
    const rerun = await openRerun(site, stored, given);
    if (rerun !== undefined) return { ...rerun, keeps: true };
    const spec = given as JobSpec;
    const bytes = spec.input_key === undefined ? undefined : await stored.input(spec.input_key);
    return { spec, rows: inputRows(spec, bytes), keeps: false };
  } catch (error) {
    if ([RerunRefused, InputError, SpecError].some((kind) => error instanceof kind))
      throw new InvalidInput((error as Error).message);
    throw error;
  }
}

/** The rows of an input, with their IDs. @param bytes the input, where it is not a file of this host. */
function inputRows(spec: JobSpec, bytes?: AsyncIterable<Uint8Array>): RowsToOpen {
  const { rows, columns } = readRows(spec.csv_path, bytes);
  const withIds = async function* (): AsyncGenerator<StoredRow> {
    const ids = new ItemIds();
    let index = 0;
    for await (const { row } of rows) {
      const sourceId = spec.id_column === undefined ? undefined : own(row, spec.id_column);
      yield { ...ids.next(index, sourceId), row: row as StoredRow['row'] };
      index += 1;
    }
  };
  return { rows: withIds(), columns };
}

function own(row: Record<string, unknown>, column: string): Json | undefined {
  return Object.hasOwn(row, column) ? (row[column] as Json) : undefined;
}

/** @throws {InputError | TemplateError} */
function checkColumns(spec: JobSpec, columns: string[]): void {
  const needed = Object.keys(spec.keyed_limits ?? {}).map((column) => [column, 'to limit rows by']);
  if (spec.id_column !== undefined) needed.unshift([spec.id_column, 'for the item IDs']);
  for (const [column, purpose] of needed) {
    if (columns.includes(column!)) continue;
    const known = columns.slice(0, 20).join(', ');
    throw new InputError(
      spec.csv_path,
      `has no column ${JSON.stringify(column)} ${purpose}; its columns are ${known}`,
    );
  }
  parseTemplate(spec.instruction, columns);
  if (isProcess(spec.agent) && spec.agent.workdir !== undefined) {
    parseWorkdir(spec.agent.workdir, columns);
  }
}

/** @throws {InvalidInput} */
async function isolationOf(
  { agent, csv_path }: JobSpec,
  columns: string[],
): Promise<FixedCommit | undefined> {
  if (!isProcess(agent) || agent.isolate === undefined) return undefined;
  const { workdir } = agent;
  const folder = workdir === undefined ? dirname(csv_path) : parseWorkdir(workdir, columns).folder;
  try {
    return await fixedCommit(folder);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new InvalidInput(
      `agent.workdir: no worktrees can be made of ${folder}: ${error.message}. To have each row in a ` +
        'git worktree of its own, the working directory has to be in a git repository, in its commit',
    );
  }
}
