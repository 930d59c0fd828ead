import { InputError } from '../input/input-error.js';
import { ItemIds } from '../input/item-ids.js';
import { readRows } from '../input/read-rows.js';
import { TemplateError, parseTemplate } from '../input/template.js';
import type { JobSpec, Json } from '../job.js';
import { OutputError, checkOutput } from '../output/output-file.js';
import { settingsOf } from '../spec.js';
import { type JobRecord, PAGE_ROWS, type StoredJob, type StoredRow } from '../store/job-store.js';

/** The input, the instruction or the output path has to be mended before the job can start. */
export class InvalidInput extends Error {
  override name = 'InvalidInput';
}

/** What a job would find: the columns and the number of its rows. */
export interface CheckedInput {
  columns: string[];
  total: number;
}

/**
 * Reads the whole input and checks it against the spec: that it is well-formed, that the ID column
 * and the instruction's placeholders are there, that the output can be written.
 * @param onPage called with each page of rows, in order.
 * @throws {InvalidInput} with a message for the person who started the job.
 */
export async function checkInput(
  jobId: string,
  spec: JobSpec,
  onPage: (page: number, rows: StoredRow[]) => Promise<void> = async () => {},
): Promise<CheckedInput> {
  try {
    const { rows, columns } = readRows(spec.csv_path);
    const ids = new ItemIds();
    let total = 0;
    let page: StoredRow[] = [];
    for await (const { row } of rows) {
      if (total === 0 && isCsv(spec.csv_path)) checkColumns(spec, columns());
      const sourceId = spec.id_column === undefined ? undefined : own(row, spec.id_column);
      page.push({ ...ids.next(total, sourceId), row: row as StoredRow['row'] });
      total += 1;
      if (page.length === PAGE_ROWS) {
        await onPage(total / PAGE_ROWS - 1, page);
        page = [];
      }
    }
    checkColumns(spec, columns());
    if (page.length > 0) await onPage(Math.floor(total / PAGE_ROWS), page);
    const output = settingsOf(spec, jobId).output_csv_path;
    await checkOutput(output, { input: spec.csv_path, jobId, overwrite: spec.overwrite ?? false });
    return { columns: columns(), total };
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
  const { columns, total } = await checkInput(stored.jobId, spec, (page, rows) =>
    stored.savePage(page, rows),
  );
  const record: JobRecord = {
    job_id: stored.jobId,
    spec,
    output_csv_path: settingsOf(spec, stored.jobId).output_csv_path,
    columns,
    total,
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
  if (spec.id_column !== undefined && !columns.includes(spec.id_column)) {
    const known = columns.slice(0, 20).join(', ');
    throw new InputError(
      spec.csv_path,
      `has no column ${JSON.stringify(spec.id_column)} for the item IDs; its columns are ${known}`,
    );
  }
  parseTemplate(spec.instruction, columns);
}
