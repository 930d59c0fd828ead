import { InputError } from '../input/input-error.js';
import { IdTable } from '../input/id-table.js';
import { MAX_ENCODED_LENGTH } from '../input/item-ids.js';
import { readRows } from '../input/read-rows.js';
import {
  FAILURE_CLASSES,
  FAILURE_REASONS,
  type AttemptUsage,
  type FailureClass,
  type FailureReason,
  type Json,
  type Outcome,
  clip,
} from '../job.js';
import type { RowWithOutcome } from '../store/kept-outcomes.js';
import { AddedColumns, type SplitRow } from './added-columns.js';
import type { EarlierRows } from './earlier-rows.js';

/** `-2` and so on, behind the ID of more than one row. */
const MAX_SUFFIX_LENGTH = 20;

/**
 * The rows of the output that a job has written: what the job has added to each tells how it ended.
 * @param path names it in errors and tells the format. @param bytes called for each time that it is read.
 * @throws {InputError} where it is not the output of a job, as the rows do.
 */
export async function earlierOutput(
  path: string,
  bytes: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<EarlierRows> {
  const addedColumns = await AddedColumns.in(path, await bytes());
  const columns = new Set<string>();
  return {
    name: path,
    columns: () => [...columns],
    rows: rowsOf(path, await bytes(), addedColumns, columns),
  };
}

async function* rowsOf(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  addedColumns: AddedColumns,
  columns: Set<string>,
): AsyncGenerator<RowWithOutcome> {
  const itemIds = new IdTable();
  for await (const { line, row: whole } of readRows(path, bytes).rows) {
    const { row, added } = addedColumns.split(whole as SplitRow['row']);
    for (const column of Object.keys(row)) columns.add(column);
    const refuse = (problem: string) => {
      throw new InputError(path, problem, { line });
    };
    const item_id = text(added['item_id']);
    if (!isGiven(item_id)) refuse('the row has no item_id. Leave that column as the job wrote it.');
    if (itemIds.get(item_id) > 0) {
      refuse(`more than one row is item ${item_id}. Leave each row of the output there once.`);
    }
    itemIds.set(item_id, 1);
    const outcome = outcomeIn(added, refuse);
    const source_id = text(added['source_id']);
    yield { item_id, source_id, row, ...(outcome !== undefined && { outcome }) };
  }
}

/** @returns undefined where the row is pending. */
function outcomeIn(
  added: SplitRow['added'],
  refuse: (problem: string) => void,
): Outcome | undefined {
  const common = {
    attempt_count: Number(added['attempt_count'] ?? 0) || 0,
    completed_at: text(added['completed_at']),
    origin: {
      job_id: text(added['origin_job_id']) || text(added['job_id']),
      item_id: text(added['item_id']),
    },
    ...(Number(added['refused_reports']) > 0 && {
      refused_reports: Number(added['refused_reports']),
    }),
    ...(Array.isArray(added['usage']) &&
      added['usage'].length > 0 && { usage: added['usage'] as unknown as AttemptUsage[] }),
  };
  const status = text(added['status']);
  switch (status) {
    case 'completed': {
      const patch = text(added['patch']);
      return {
        status,
        ...common,
        result: { inline: resultIn(added, refuse) },
        reported_at: text(added['reported_at']),
        ...(patch !== '' && { patch }),
      };
    }
    case 'failed': {
      const failure_class = FAILURE_CLASSES.find((each) => each === added['failure_class']);
      return { status, ...common, ...failureIn(text(added['last_error']), failure_class) };
    }
    case 'cancelled':
      return { status, ...common, last_error: clip(text(added['last_error'])) };
    case 'pending':
    case 'running':
      return undefined;
    default:
      refuse(`the row's status is ${JSON.stringify(status)}, which is not one of a job's.`);
      return undefined;
  }
}

/** Whether a job could have given an item this ID. */
function isGiven(itemId: string): boolean {
  if (itemId.trim() === '' || itemId.includes('\0') || !itemId.isWellFormed()) return false;
  return encodeURIComponent(itemId).length <= MAX_ENCODED_LENGTH + MAX_SUFFIX_LENGTH;
}

/** `reason: what it was`, as the output has it. */
function failureIn(lastError: string, failureClass: FailureClass | undefined) {
  const colon = lastError.indexOf(': ');
  const reason: FailureReason | undefined = FAILURE_REASONS.find(
    (each) => each === lastError.slice(0, colon),
  );
  return {
    reason: reason ?? 'agent_error',
    last_error: clip(reason === undefined ? lastError : lastError.slice(colon + 2)),
    ...(failureClass !== undefined && { failure_class: failureClass }),
  } as const;
}

function resultIn(added: SplitRow['added'], refuse: (problem: string) => void): Json {
  const json = added['result_json'];
  if (json === undefined) return added['result'] ?? null;
  try {
    return JSON.parse(text(json)) as Json;
  } catch {
    refuse('result_json is not JSON. Leave that column as the job wrote it.');
    return null;
  }
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value);
}
