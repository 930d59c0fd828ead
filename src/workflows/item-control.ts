import { proxyActivities, rootCause } from '@temporalio/workflow';
import type { ControlActivities, JobRef } from '../activities/contract.js';
import { refused } from '../control-message.js';
import { type ControlAnswer, clip } from '../job.js';
import type { ItemWindow } from './item-window.js';
import type { JobState } from './job-state.js';
import type { Row, RowSource } from './row-source.js';

const { rowOf } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumInterval: '10 seconds' },
});

export const OVER = 'the job is ending: its outcomes are being written';
/** Numbers that the job carries along until the rows before them have been started. */
const MAX_SKIPPED = 1000;

/** What operators ask of single items. Items are known by ID to operators and to the store, by row to the job. */
export class ItemControl {
  readonly #ref: JobRef;
  readonly #job: JobState;
  readonly #items: ItemWindow;
  readonly #rows: RowSource;
  readonly #onSkipped: (row: Row) => void;
  /** One request at a time: what the store says must still hold when it is acted upon. */
  #last: Promise<unknown> = Promise.resolve();
  #over = false;

  /** @param onSkipped called with each row that is not to be started at all. */
  constructor(
    ref: JobRef,
    job: JobState,
    items: ItemWindow,
    rows: RowSource,
    onSkipped: (row: Row) => void,
  ) {
    this.#ref = ref;
    this.#job = job;
    this.#items = items;
    this.#rows = rows;
    this.#onSkipped = onSkipped;
  }

  /** From here on nothing can be changed any more. */
  end(): void {
    this.#over = true;
  }

  cancel(itemId: string): Promise<ControlAnswer> {
    return this.#inTurn(itemId, async (row) => {
      if (this.#items.has(row.row_index)) {
        await this.#items.cancelItem(row);
        return { accepted: true };
      }
      if (this.#rows.remove(row.row_index)) {
        this.#onSkipped(row);
        return { accepted: true };
      }
      const { next_row, skipped } = this.#job;
      if (row.row_index < next_row || skipped.includes(row.row_index)) {
        return refused(`item ${clip(itemId, 150)} has ended already`, '/item_id');
      }
      if (skipped.length >= MAX_SKIPPED) {
        return refused(`${MAX_SKIPPED} rows are cancelled ahead of their start: no more are taken`);
      }
      this.#job.skipped = [...skipped, row.row_index];
      this.#onSkipped(row);
      return { accepted: true };
    });
  }

  #inTurn(itemId: string, ask: (row: Row) => Promise<ControlAnswer>): Promise<ControlAnswer> {
    const answer = this.#last.then(async () => {
      try {
        const { job_id, store_id } = this.#ref;
        const row_index = await rowOf({ job_id, store_id, item_id: itemId });
        if (this.#over) return refused(OVER);
        if (row_index !== null) return await ask({ row_index, item_id: itemId });
        return refused(`the job has no item ${clip(itemId, 150)}`, '/item_id');
      } catch (error) {
        return refused(clip(`it could not be done: ${rootCause(error) ?? String(error)}`, 300));
      }
    });
    this.#last = answer;
    return answer;
  }
}
