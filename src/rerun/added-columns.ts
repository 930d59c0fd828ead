import { InputError } from '../input/input-error.js';
import { isJsonLines, readRows } from '../input/read-rows.js';
import type { Json } from '../job.js';
import {
  ADDED_COLUMNS,
  ADDED_PREFIX,
  DETAIL_COLUMNS,
  ORIGIN_COLUMN,
  PATCH_COLUMN,
} from '../output/columns.js';

const IN_TEXT = 'result_json';
const AS_VALUE = 'result';

type Cells = { [column: string]: Json };

/** A row of an output, taken apart. */
export interface SplitRow {
  /** The input's cells. */
  row: Cells;
  /** What the job has added, by the names that it has for that. */
  added: { [name: string]: Json | undefined };
}

/**
 * Tells what a job has added to the columns of its input. Where the input has a column of such a name, the job's
 * is prefixed; of several that all rows have, it is the last, since the input's come first.
 */
export class AddedColumns {
  /** What each is called in this output. */
  readonly #names: Map<string, string>;

  private constructor(names: Map<string, string>) {
    this.#names = names;
  }

  /** @throws {InputError} where the file is not the output of a job. */
  static async in(path: string, bytes: AsyncIterable<Uint8Array>): Promise<AddedColumns> {
    const isCsv = !isJsonLines(path);
    const required = ADDED_COLUMNS.filter((name) => isCsv || name !== IN_TEXT);
    const optional = [...(isCsv ? [PATCH_COLUMN] : DETAIL_COLUMNS), ORIGIN_COLUMN];
    let inAll: string[] | undefined;
    for await (const { row } of readRows(path, bytes).rows) {
      inAll = inAll?.filter((column) => Object.hasOwn(row, column)) ?? Object.keys(row);
      // All rows of a CSV have the columns of its header.
      if (isCsv) break;
    }
    const names = new Map<string, string>();
    for (const name of required) {
      const column = inAll?.findLast((each) => isCalled(each, name));
      if (column === undefined) {
        throw new InputError(
          path,
          `is not the output of a job: not all rows have ${name}. Name the file that a job has written, or the job.`,
        );
      }
      names.set(name, column);
    }
    // They come last: one that is further to the front is the input's.
    const rest = inAll!.slice(inAll!.indexOf(names.get('completed_at')!) + 1);
    for (const name of optional) {
      const column = rest.findLast((each) => isCalled(each, name));
      if (column !== undefined) names.set(name, column);
    }
    return new AddedColumns(names);
  }

  split(whole: Cells): SplitRow {
    const row = { ...whole };
    const added: SplitRow['added'] = {};
    const take = (name: string, column: string) => {
      added[name] = whole[column];
      delete row[column];
    };
    for (const [name, column] of this.#names) take(name, column);
    // As a value, it is there only where there is one.
    if (!this.#names.has(IN_TEXT) && added['status'] === 'completed') {
      const column = Object.keys(whole).findLast((each) => isCalled(each, AS_VALUE));
      if (column !== undefined) take(AS_VALUE, column);
    }
    return { row, added };
  }
}

/** Whether a job could call an added column so. */
function isCalled(column: string, name: string): boolean {
  if (!column.endsWith(name)) return false;
  const prefix = column.slice(0, column.length - name.length);
  return prefix === ADDED_PREFIX.repeat(Math.floor(prefix.length / ADDED_PREFIX.length));
}
