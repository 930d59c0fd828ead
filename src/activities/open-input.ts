import { GitError } from '../agent/git.js';
import { type FixedCommit, fixedCommit } from '../agent/repository.js';
import { parseWorkdir } from '../agent/workdir.js';
import { InputError } from '../input/input-error.js';
import { ItemIds } from '../input/item-ids.js';
import { dirname } from 'node:path';
import { rowKeys } from '../input/row-keys.js';
import { readRows } from '../input/read-rows.js';
import { TemplateError, parseTemplate } from '../input/template.js';
import { type JobSpec, type Json, isProcess } from '../job.js';
import { OutputError, checkOutput } from '../output/output-file.js';
import { settingsOf } from '../spec.js';
import { InputPages } from '../store/input-pages.js';
import type { JobRecord, StoredJob, StoredRow } from '../store/job-store.js';

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
 * @param input.bytes the input, where it is not a file of this host. @param input.onRow called with each
 *   row, in order.
 * @throws {InvalidInput} with a message for the person who started the job.
 */
export async function checkInput(
  jobId: string,
  spec: JobSpec,
  input: { bytes?: AsyncIterable<Uint8Array>; onRow?: (row: StoredRow) => Promise<void> } = {},
): Promise<CheckedInput> {
  try {
    const { rows, columns } = readRows(spec.csv_path, input.bytes);
    const ids = new ItemIds();
    let total = 0;
    for await (const { row } of rows) {
      if (total === 0 && isCsv(spec.csv_path)) checkColumns(spec, columns());
      const sourceId = spec.id_column === undefined ? undefined : own(row, spec.id_column);
      const cells = row as StoredRow['row'];
      await input.onRow?.({
        ...ids.next(total, sourceId),
        ...(spec.keyed_limits !== undefined && {
          keys: rowKeys(jobId, Object.keys(spec.keyed_limits), cells),
        }),
        row: cells,
      });
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
      error instanceof OutputError
    ) {
      throw new InvalidInput(error.message);
    }
    throw error;
  }
}

/** Snapshots the input into the store. Once it is complete, its job is not read again. */
export async function snapshotInput(stored: StoredJob, spec: JobSpec): Promise<JobRecord> {
  const earlier = await stored.record();
  if (earlier !== undefined) return earlier;
  const pages = new InputPages(stored);
  const checked = await checkInput(stored.jobId, spec, {
    ...(spec.input_key !== undefined && { bytes: await stored.input(spec.input_key) }),
    onRow: (row) => pages.add(row),
  });
  await pages.end();
  const record: JobRecord = {
    job_id: stored.jobId,
    spec,
    output_csv_path: settingsOf(spec, stored.jobId).output_csv_path,
    ...checked,
    ...(stored.encrypts && { encrypted: true }),
    created_at: new Date().toISOString(),
  };
  await stored.saveRecord(record);
  return record;
}

function isCsv(path: string): boolean {
  return !/\.(jsonl|ndjson)$/i.test(path);
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
