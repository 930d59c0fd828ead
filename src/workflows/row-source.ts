import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities, JobRef } from '../activities/contract.js';
import type { JobState, QueuedRow } from './job-state.js';

const { listItems, listItemsToStart, itemIds } = proxyActivities<ControlActivities>({
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
  /** The next rows of the input. */
  #fetched: Row[] = [];
  /** The row from which to fetch more. */
  #fetchFrom: number;
  #fetching = false;
  /** IDs of the rows in the queue. */
  readonly #queuedIds = new Map<number, string>();

  constructor(job: JobRef, state: JobState, onChange: () => void) {
    this.#job = job;
    this.#state = state;
    this.#onChange = onChange;
    this.#fetchFrom = state.next_row;
    if (state.queue.length > 0) void this.#identify(state.queue.map(([row]) => row));
  }

  get exhausted(): boolean {
    const { total, queue } = this.#state;
    return this.#fetchFrom >= total && this.#fetched.length === 0 && queue.length === 0;
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
      if (this.#fetched.length < PAGE / 2) void this.#fetch();
      const next = this.#fetched.shift();
      if (next === undefined) return undefined;
      const { row_index } = next;
      this.#state.next_row = row_index + 1;
      const { skipped } = this.#state;
      if (!skipped.includes(row_index)) return next;
      this.#state.skipped = skipped.filter((row) => row !== row_index);
      this.#onChange();
    }
  }

  async #fetch(): Promise<void> {
    const { job_id, store_id } = this.#job;
    const from = this.#fetchFrom;
    if (this.#fetching || from >= this.#state.total) return;
    this.#fetching = true;
    const page = { job_id, store_id, from, count: PAGE };
    if (this.#state.kept === undefined) {
      const ids = await listItems(page);
      for (const [n, item_id] of ids.entries()) {
        this.#fetched.push({ row_index: from + n, item_id });
      }
      this.#fetchFrom += ids.length;
    } else {
      const { items, next } = await listItemsToStart(page);
      for (const [row_index, item_id] of items) this.#fetched.push({ row_index, item_id });
      this.#fetchFrom = next;
      // What was passed over need not be looked at again by the run that continues this one.
      if (this.#fetched.length === 0) this.#state.next_row = next;
    }
    this.#fetching = false;
    this.#onChange();
  }

  async #identify(rows: number[]): Promise<void> {
    const { job_id, store_id } = this.#job;
    const ids = await itemIds({ job_id, store_id, rows });
    for (const [n, row] of rows.entries()) this.#queuedIds.set(row, ids[n]!);
    this.#onChange();
  }
}
