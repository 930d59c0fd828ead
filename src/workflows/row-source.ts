import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities, JobRef } from '../activities/contract.js';
import { sound } from './activity-results.js';
import type { JobState, QueuedRow } from './job-state.js';

const { listItems, itemIds } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumInterval: '10 seconds' },
});

/** Item IDs fetched at once: at most some 40 KB of history. */
const PAGE = 200;

/** A row to be started. */
export interface Row {
  row_index: number;
  item_id: string;
  /** Where it has been started before. */
  again?: QueuedRow;
}

/**
 * The rows still to be started: those that are to be started again, then the others in input order;
 * fetches the next page of item IDs before it is needed.
 */
export class RowSource {
  readonly #job: JobRef;
  readonly #state: JobState;
  readonly #onChange: () => void;
  #ids: string[] = [];
  #fetching = false;
  /** IDs of the rows in the queue. */
  readonly #queuedIds = new Map<number, string>();

  constructor(job: JobRef, state: JobState, onChange: () => void) {
    this.#job = job;
    this.#state = state;
    this.#onChange = onChange;
    if (state.queue.length > 0) void this.#identify(state.queue.map(([row]) => row));
  }

  get exhausted(): boolean {
    const { next_row, total, queue } = this.#state;
    return next_row >= total && queue.length === 0;
  }

  /** @returns undefined where none is left, or what is needed for it is on its way. */
  next(): Row | undefined {
    const [again] = this.#state.queue;
    if (again !== undefined) {
      const item_id = this.#queuedIds.get(again[0]);
      if (item_id === undefined) return undefined;
      this.remove(again[0]);
      return { row_index: again[0], item_id, again };
    }
    return this.#nextOfInput();
  }

  /** Has a row started again, after those that are waiting for it. */
  putBack(row: QueuedRow, itemId: string): void {
    this.#state.queue = [...this.#state.queue, row];
    this.#queuedIds.set(row[0], itemId);
    this.#onChange();
  }

  /** Whether a row is to be started again. */
  queued(rowIndex: number): boolean {
    return this.#state.queue.some(([row]) => row === rowIndex);
  }

  /** Takes a row from those that are to be started again, if it is one. */
  remove(rowIndex: number): QueuedRow | undefined {
    const { queue } = this.#state;
    const place = queue.findIndex(([row]) => row === rowIndex);
    if (place === -1) return undefined;
    this.#state.queue = queue.toSpliced(place, 1);
    this.#queuedIds.delete(rowIndex);
    return queue[place];
  }

  #nextOfInput(): Row | undefined {
    for (;;) {
      if (this.#ids.length < PAGE / 2) void this.#fetch();
      const item_id = this.#ids.shift();
      if (item_id === undefined) return undefined;
      const row_index = this.#state.next_row++;
      const { skipped } = this.#state;
      if (!skipped.includes(row_index)) return { row_index, item_id };
      this.#state.skipped = skipped.filter((row) => row !== row_index);
      this.#onChange();
    }
  }

  async #fetch(): Promise<void> {
    const { job_id, store_id } = this.#job;
    const from = this.#state.next_row + this.#ids.length;
    if (this.#fetching || from >= this.#state.total) return;
    this.#fetching = true;
    const page = { job_id, store_id, from, count: PAGE };
    const ids = await sound('listItems', () => listItems(page), areIds);
    this.#ids.push(...ids);
    this.#fetching = false;
    this.#onChange();
  }

  async #identify(rows: number[]): Promise<void> {
    const { job_id, store_id } = this.#job;
    const ids = await sound(
      'itemIds',
      () => itemIds({ job_id, store_id, rows }),
      (found) => areIds(found) && found.length === rows.length,
    );
    for (const [n, row] of rows.entries()) this.#queuedIds.set(row, ids[n]!);
    this.#onChange();
  }
}

function areIds(found: unknown): found is string[] {
  return (
    Array.isArray(found) && found.length > 0 && found.every((itemId) => typeof itemId === 'string')
  );
}
