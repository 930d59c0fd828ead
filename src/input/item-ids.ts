import { createHash } from 'node:crypto';
import { toUSVString } from 'node:util';
import { IdTable } from './id-table.js';

/** How an item is called, and what its row says of that. */
export interface ItemId {
  /** Unique in the job, well-formed text. */
  item_id: string;
  /** The ID column's text as it is in the row; '' where there is none. */
  source_id: string;
}

// Percent-encoded; leaves room for a suffix and the job's ID in a workflow ID of 1,000 bytes.
export const MAX_ENCODED_LENGTH = 200;

/**
 * Gives the rows of one job their item IDs, in input order. The same rows always get the same IDs.
 *
 * An item ID is the text of the ID column; `row-N` (N counts from 1) where that is missing, null
 * or blank; `row-N~<hash>` where it is longer than 200 bytes percent-encoded, or holds a NUL. An ID that an
 * earlier row has gets the first free suffix of `-2`, `-3`, …
 */
export class ItemIds {
  /**
   * The IDs that are taken, and the next suffix of each. That a free one is now and then taken for another
   * costs it a suffix: what is given is unique all the same.
   */
  readonly #nextSuffix = new IdTable();

  /** `rowIndex` counts from 0; `sourceId` is the row's value in the ID column, if there is one. */
  next(rowIndex: number, sourceId: unknown): ItemId {
    const text = sourceText(sourceId);
    return { item_id: this.#unique(baseId(rowIndex + 1, text)), source_id: text };
  }

  #unique(base: string): string {
    let id = base;
    let suffix = this.#nextSuffix.get(base);
    if (suffix > 0) {
      while (this.#nextSuffix.get(`${base}-${suffix}`) > 0) suffix += 1;
      // Starting from 2 each time would be quadratic where many rows have the same ID.
      this.#nextSuffix.set(base, suffix + 1);
      id = `${base}-${suffix}`;
    }
    this.#nextSuffix.set(id, 2);
    return id;
  }
}

function sourceText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function baseId(rowNumber: number, text: string): string {
  if (text.trim() === '') return `row-${rowNumber}`;
  // encodeURIComponent throws on a lone surrogate, and Temporal takes only well-formed text.
  const id = toUSVString(text);
  // A NUL cannot be passed to a process.
  if (encodeURIComponent(id).length <= MAX_ENCODED_LENGTH && !id.includes('\0')) return id;
  return `row-${rowNumber}~${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
}
