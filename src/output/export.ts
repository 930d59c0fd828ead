import { stringify } from 'csv-stringify/sync';
import type { Json, Outcome } from '../job.js';
import { type JobRecord, PAGE_ROWS, type PageRow } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';
import {
  ADDED_COLUMNS,
  type AddedColumn,
  type DETAIL_COLUMNS,
  ORIGIN_COLUMN,
  PATCH_COLUMN,
  addedName,
} from './columns.js';
import { writeWhole } from './output-file.js';

/** Gives the outcome of a row, or undefined where it has none. */
export type OutcomeOf = (row: {
  row_index: number;
  item_id: string;
}) => Promise<Outcome | undefined>;

/**
 * Writes the output: each row of the input once, in input order, with what became of it. Rows
 * without an outcome are `pending`. Memory does not grow with the number of rows.
 *
 * @param path ends in `.jsonl` for JSON Lines (values as they are, `result` as JSON), else CSV
 *   (`result_json` as JSON text).
 */
export async function exportRows(
  path: string,
  record: JobRecord,
  stored: StoredJob,
  outcomeOf: OutcomeOf,
): Promise<void> {
  await writeWhole(path, outputText(path, record, stored, outcomeOf));
}

/** The same as a stream of its text. @param path tells the format. */
export function outputText(
  path: string,
  record: JobRecord,
  stored: StoredJob,
  outcomeOf: OutcomeOf,
): AsyncGenerator<string> {
  const format = path.toLowerCase().endsWith('.jsonl') ? jsonLines(record) : csv(record);
  return outputLines(record, stored, outcomeOf, format);
}

interface Format {
  header: string;
  line(row: { [column: string]: Json }, added: AddedValues): string;
}

type AddedValues = { [column in Exclude<AddedColumn, 'result_json'>]: string | number } & {
  result?: Json;
  origin_job_id: string;
  details: Details;
};

type Details = { [column in (typeof DETAIL_COLUMNS)[number]]: unknown } & { patch: string };

async function* outputLines(
  record: JobRecord,
  stored: StoredJob,
  outcomeOf: OutcomeOf,
  format: Format,
): AsyncGenerator<string> {
  yield format.header;
  const line = async (row_index: number, row: PageRow): Promise<string> => {
    const outcome = await outcomeOf({ row_index, item_id: row.item_id });
    const result =
      outcome?.status === 'completed' ? { result: await stored.result(outcome.result) } : {};
    const cells = await stored.cells(row);
    return format.line(cells, { ...addedValues(stored, row_index, row, outcome), ...result });
  };
  for (let first = 0; first < record.total; first += PAGE_ROWS) {
    const page = await stored.page(first / PAGE_ROWS);
    let row_index = first;
    for (const group of groupsOf(page)) {
      yield* await Promise.all(group.map((row, n) => line(row_index + n, row)));
      row_index += group.length;
    }
  }
}

/** Few enough to be held, enough not to wait for a store that is a network away with each large result. */
const ROWS_AT_ONCE = 8;

/** The rows of a page in groups that can be held; large ones alone. */
function* groupsOf(page: PageRow[]): Generator<PageRow[]> {
  let group: PageRow[] = [];
  for (const row of page) {
    const isLarge = 'stored' in row;
    if (group.length > 0 && (isLarge || group.length === ROWS_AT_ONCE)) {
      yield group;
      group = [];
    }
    group.push(row);
    if (isLarge) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

function addedValues(
  stored: StoredJob,
  row_index: number,
  { item_id, source_id }: PageRow,
  outcome: Outcome | undefined,
): AddedValues {
  return {
    job_id: stored.jobId,
    item_id,
    row_index,
    source_id,
    status: outcome?.status ?? 'pending',
    attempt_count: outcome?.attempt_count ?? 0,
    last_error: lastError(outcome),
    reported_at: outcome?.status === 'completed' ? outcome.reported_at : '',
    completed_at: outcome?.completed_at ?? '',
    origin_job_id: outcome?.origin?.job_id ?? '',
    details: {
      failure_class: (outcome?.status === 'failed' && outcome.failure_class) || '',
      refused_reports: outcome?.refused_reports ?? 0,
      usage: outcome?.usage ?? [],
      patch:
        outcome?.status === 'completed' && outcome.patch !== undefined
          ? stored.locate(outcome.patch)
          : '',
    },
  };
}

/** What went wrong with a row, as the output has it; empty where nothing did. */
export function lastError(outcome: Outcome | undefined): string {
  switch (outcome?.status) {
    case 'failed':
      return `${outcome.reason}: ${outcome.last_error}`;
    case 'cancelled':
      return outcome.last_error;
    default:
      return '';
  }
}

function csv({ columns, isolation, kept }: JobRecord): Format {
  const inputColumns = new Set(columns);
  const added: (AddedColumn | typeof PATCH_COLUMN | typeof ORIGIN_COLUMN)[] = [...ADDED_COLUMNS];
  if (isolation !== undefined || kept?.patches) added.push(PATCH_COLUMN);
  if (kept !== undefined) added.push(ORIGIN_COLUMN);
  return {
    header: stringify([[...columns, ...added.map((name) => addedName(name, inputColumns))]]),
    line(row, { result, origin_job_id, details: { patch }, ...others }) {
      const values = {
        ...others,
        patch,
        origin_job_id,
        result_json: result === undefined ? '' : JSON.stringify(result),
      };
      return stringify([
        [...columns.map((column) => cellText(row, column)), ...added.map((name) => values[name])],
      ]);
    },
  };
}

/** A cell as CSV has it. */
export function cellText(row: { [column: string]: Json }, column: string): string {
  const value = Object.hasOwn(row, column) ? row[column] : null;
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function jsonLines({ columns, kept }: JobRecord): Format {
  const inputColumns = new Set(columns);
  return {
    header: '',
    line: (row, { details, origin_job_id, ...added }) =>
      JSON.stringify(
        Object.fromEntries([
          ...Object.entries(row),
          ...Object.entries({
            ...added,
            ...details,
            ...(kept !== undefined && { origin_job_id }),
          }).map(([name, value]) => [addedName(name, inputColumns), value]),
        ]),
      ) + '\n',
  };
}
