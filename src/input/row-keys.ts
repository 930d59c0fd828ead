import { createHash } from 'node:crypto';
import type { Json } from '../job.js';

const KEY_CHARS = 8;

/**
 * By what the rows of a job are limited: for each of the columns a hash of the row's cell. Workflows know cells
 * by these alone. Two values of one hash, one pair of 280 million million, share their limit.
 * @param jobId the hashes of one job tell nothing of those of another.
 */
export function rowKeys(
  jobId: string,
  columns: string[],
  row: { [column: string]: Json },
): string[] {
  return columns.map((column) => {
    const cell = Object.hasOwn(row, column) ? row[column] : null;
    const text = JSON.stringify([jobId, column, cell]);
    return createHash('sha256').update(text).digest('base64url').slice(0, KEY_CHARS);
  });
}
