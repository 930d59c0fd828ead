import { RERUN_STATUSES, type RowSelection } from '../job.js';
import { cellText } from '../output/export.js';
import type { RowWithOutcome } from '../store/kept-outcomes.js';
import { type EarlierRows, NothingToRerun, RerunRefused } from './earlier-rows.js';

const MAX_NAMED = 5;

/**
 * The rows of an earlier job as a job that runs some of them again has them: those that are not selected
 * are kept, with their outcome.
 * @throws {RerunRefused} after the last row, where no row or column is there that the selection names;
 *   {@link NothingToRerun} where it selects none.
 */
export async function* withSelection(
  { name, rows, columns }: EarlierRows,
  selection: RowSelection,
): AsyncGenerator<RowWithOutcome> {
  const selects = selector(selection);
  const missing = new Set(selection.item_ids);
  let selected = 0;
  for await (const earlier of rows) {
    const { outcome, ...row } = earlier;
    missing.delete(row.item_id);
    if (selects(earlier)) {
      selected += 1;
      yield row;
    } else {
      yield { ...row, kept: true, ...(outcome !== undefined && { outcome }) };
    }
  }
  for (const column of Object.keys(selection.where ?? {})) {
    if (columns().includes(column)) continue;
    const known = columns().slice(0, 20).join(', ');
    throw new RerunRefused(
      `${name} has no column ${JSON.stringify(column)} to select rows by; its columns are ${known}`,
    );
  }
  if (missing.size > 0) throw new RerunRefused(`${name} has no item ${named(missing)}`);
  if (selected === 0) throw new NothingToRerun(nothing(name, selection));
}

/** How many rows a selection has, of how many. @throws as {@link withSelection}. */
export async function countSelected(
  earlier: EarlierRows,
  selection: RowSelection,
): Promise<{ selected: number; total: number }> {
  let selected = 0;
  let total = 0;
  for await (const { kept } of withSelection(earlier, selection)) {
    total += 1;
    if (!kept) selected += 1;
  }
  return { selected, total };
}

function selector(selection: RowSelection): (row: RowWithOutcome) => boolean {
  const { where, item_ids, statuses = statusesOf(selection) } = selection;
  const ids = item_ids && new Set(item_ids);
  const cells = Object.entries(where ?? {});
  const isOfStatus = ({ outcome }: RowWithOutcome) => {
    const status = outcome?.status ?? 'pending';
    return statuses === undefined || statuses.some((each) => each === status);
  };
  return (row) =>
    isOfStatus(row) &&
    (ids === undefined || ids.has(row.item_id)) &&
    cells.every(([column, value]) => cellText(row.row, column) === value);
}

/** Rows that are named, by ID or by cell, are run again however they ended. */
function statusesOf({ where, item_ids }: RowSelection): RowSelection['statuses'] {
  return where === undefined && item_ids === undefined ? [...RERUN_STATUSES] : undefined;
}

function nothing(name: string, { statuses, where, item_ids }: RowSelection): string {
  const cells = Object.entries(where ?? {}).map(([column, value]) => `${column}=${value}`);
  if (statuses === undefined && cells.length === 0) {
    return `nothing to run again: all rows of ${name} have completed`;
  }
  const which = [
    ...(statuses === undefined ? [] : [statuses.join(' or ')]),
    'rows',
    ...(cells.length > 0 ? [`with ${cells.join(' and ')}`] : []),
    ...(item_ids === undefined ? [] : ['among the named items']),
  ];
  return `nothing to run again: ${name} has no ${which.join(' ')}`;
}

function named(itemIds: Set<string>): string {
  const some = [...itemIds].slice(0, MAX_NAMED);
  const more = itemIds.size - some.length;
  return some.join(', ') + (more > 0 ? ` and ${more} more that are named` : '');
}
