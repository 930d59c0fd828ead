import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities, JobRef } from '../activities/contract.js';
import type { JobState } from './job-state.js';

const { listItems } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumInterval: '10 seconds' },
});

/** Item IDs fetched at once: at most some 40 KB of history. */
const PAGE = 200;

/** A row to be started. */
export interface Row {
  row_index: number;
  item_id: string;
}

/** The rows still to be started, in input order; fetches the next page of item IDs before it is needed. */
export class RowSource {
  readonly #job: JobRef;
  readonly #state: JobState;
  readonly #onChange: () => void;
  #ids: string[] = [];
  #fetching = false;

  constructor(job: JobRef, state: JobState, onChange: () => void) {
    this.#job = job;
    this.#state = state;
    this.#onChange = onChange;
  }

  get exhausted(): boolean {
    return this.#state.next_row >= this.#state.total;
  }

  /** @returns undefined where none is left, or the page with it is on its way. */
  next(): Row | undefined {
    if (this.#ids.length < PAGE / 2) void this.#fetch();
    const item_id = this.#ids.shift();
    return item_id === undefined ? undefined : { row_index: this.#state.next_row++, item_id };
  }

  async #fetch(): Promise<void> {
    const { job_id, store_id } = this.#job;
    const from = this.#state.next_row + this.#ids.length;
    if (this.#fetching || from >= this.#state.total) return;
    this.#fetching = true;
    this.#ids.push(...(await listItems({ job_id, store_id, from, count: PAGE })));
    this.#fetching = false;
    this.#onChange();
  }
}
