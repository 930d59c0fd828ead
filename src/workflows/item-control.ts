import { rootCause } from '@temporalio/workflow';
import type { JobRef } from '../activities/contract.js';
import { refused } from '../control-message.js';
import { type ControlAnswer, clip } from '../job.js';
import { briefly } from './control-activities.js';
import { isRecord } from './activity-results.js';
import type { ItemWindow } from './item-window.js';
import { type JobState, startsNoMore, takeBack } from './job-state.js';
import type { OutcomeLog } from './outcome-log.js';
import type { Row, RowSource } from './row-source.js';

const { rowOf, isKept, lastOutcome } = briefly;

export const OVER = 'the job is ending: its outcomes are being written';
/** Row numbers that the job carries along until the rows before them have been started. */
const MAX_SKIPPED = 1000;
/** Rows that may wait for being started again. */
const MAX_QUEUED = 1000;

/** Of a row that the job does not start: whether it has an outcome. */
type Kept = 'ended' | 'pending';

/** What operators ask of single items. Items are known by ID to operators and to the store, by row to the job. */
export class ItemControl {
  readonly #ref: JobRef;
  readonly #job: JobState;
  readonly #items: ItemWindow;
  readonly #rows: RowSource;
  readonly #log: OutcomeLog;
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
    log: OutcomeLog,
    onSkipped: (row: Row) => void,
  ) {
    this.#ref = ref;
    this.#job = job;
    this.#items = items;
    this.#rows = rows;
    this.#log = log;
    this.#onSkipped = onSkipped;
  }

  /** From here on nothing can be changed any more. */
  end(): void {
    this.#over = true;
  }

  cancel(itemId: string): Promise<ControlAnswer> {
    return this.#inTurn(itemId, async (row) => {
      const kept = this.#job.kept && (await this.#kept(row));
      if (kept === 'pending') return refused(`${named(itemId)} is not run by this job`, '/item_id');
      if (this.#items.has(row.row_index)) {
        await this.#items.cancelItem(row);
        return { accepted: true };
      }
      const again = this.#rows.remove(row.row_index);
      if (again !== undefined) {
        this.#onSkipped({ ...row, again });
        return { accepted: true };
      }
      if (this.#rows.isPassedOver(row.row_index)) {
        this.#rows.drop(row.row_index);
        this.#onSkipped(row);
        return { accepted: true };
      }
      if (this.#hasEnded(row, kept))
        return refused(`${named(itemId)} has ended already`, '/item_id');
      const { skipped } = this.#job;
      if (skipped.length >= MAX_SKIPPED) {
        return refused(`${MAX_SKIPPED} rows are cancelled ahead of their start: no more are taken`);
      }
      this.#job.skipped = [...skipped, row.row_index];
      this.#onSkipped(row);
      return { accepted: true };
    });
  }

  retry(itemId: string): Promise<ControlAnswer> {
    return this.#inTurn(itemId, async (row) => {
      const kept = this.#job.kept && (await this.#kept(row));
      if (kept === 'pending') return refused(`${named(itemId)} is not run by this job`, '/item_id');
      const refusal = this.#noRetry(row, kept);
      if (refusal !== undefined) return refused(refusal, '/item_id');
      const { row_index } = row;
      const last = this.#log.find(row_index) ?? (await lastOutcome({ ...this.#ref, row_index }));
      if (!isRecord(last))
        return refused(`how ${named(itemId)} has ended is not known`, '/item_id');
      // Nothing else changes a row that has ended, but the job itself may have come to its end.
      const tooLate = this.#over ? OVER : startsNoMore(this.#job);
      if (tooLate !== null) return refused(tooLate);
      const retried = 'kept' in last ? 'kept' : 'own';
      takeBack(this.#job, itemId, last.status, retried === 'kept');
      this.#rows.putBack([row_index, (last.generation ?? 1) + 1, last.status, retried], itemId);
      return { accepted: true };
    });
  }

  #noRetry(row: Row, kept: Kept | undefined): string | undefined {
    const itemId = named(row.item_id);
    if (this.#items.has(row.row_index))
      return `${itemId} runs: cancel it first, or wait for its end`;
    if (this.#rows.queued(row.row_index)) return `${itemId} is to be started again already`;
    if (!this.#hasEnded(row, kept)) return `${itemId} has not been started yet`;
    if (this.#job.queue.length >= MAX_QUEUED) {
      return `${MAX_QUEUED} rows wait for being started again: no more are taken for now`;
    }
    return startsNoMore(this.#job) ?? undefined;
  }

  /** Of a row that neither runs nor waits to be started again. @param kept as {@link #kept} says. */
  #hasEnded({ row_index }: Row, kept: Kept | undefined): boolean {
    if (kept === 'ended') return true;
    if (this.#rows.isPassedOver(row_index)) return false;
    return row_index < this.#job.next_row || this.#job.skipped.includes(row_index);
  }

  /** What a row is kept as, if it is; to be asked first, since what runs changes meanwhile. */
  async #kept({ row_index }: Row): Promise<Kept | undefined> {
    const row = { ...this.#ref, row_index };
    if (!(await isKept(row))) return undefined;
    return (await lastOutcome(row)) === null ? 'pending' : 'ended';
  }

  #inTurn(itemId: string, ask: (row: Row) => Promise<ControlAnswer>): Promise<ControlAnswer> {
    const answer = this.#last.then(async () => {
      try {
        const { job_id, store_id } = this.#ref;
        const row_index = await rowOf({ job_id, store_id, item_id: itemId });
        if (this.#over) return refused(OVER);
        if (Number.isInteger(row_index))
          return await ask({ row_index: row_index!, item_id: itemId });
        return refused(`the job has no ${named(itemId)}`, '/item_id');
      } catch (error) {
        return refused(clip(`it could not be done: ${rootCause(error) ?? String(error)}`, 300));
      }
    });
    this.#last = answer;
    return answer;
  }
}

function named(itemId: string): string {
  return `item ${clip(itemId, 150)}`;
}
