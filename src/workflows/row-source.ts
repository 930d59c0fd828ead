import type { JobRef, ListedItem } from '../activities/contract.js';
import { briefly } from './control-activities.js';
import { isRecord, sound } from './activity-results.js';
import type { JobState, QueuedRow } from './job-state.js';
import { KeyedLimits } from './keyed-limits.js';

const { listItems, listItemsToStart, itemIds } = briefly;

/** Items fetched at once, as many as a page of the input has: some 100 KB of history. */
const PAGE = 500;
/** Items asked for by their rows at once: some 100 KB. */
const MAX_IDENTIFIED = 500;
/** Rows passed over at a time, since their limits are reached; then the job waits. */
const LOOK_AHEAD = 1000;

/** A row to be started. */
export interface Row {
  row_index: number;
  item_id: string;
  /** Where it has been started before. */
  again?: QueuedRow;
}

/**
 * The rows still to be started: those that are to be started again, then the others in input order, but that
 * rows whose limits are reached are passed over until they are not. Fetches the next page of items before it
 * is needed.
 */
export class RowSource {
  readonly #job: JobRef;
  readonly #state: JobState;
  readonly #onChange: () => void;
  readonly #limits: KeyedLimits | undefined;
  /** The next rows of the input. */
  #coming: [row_index: number, item: ListedItem][] = [];
  /** The row from which to fetch more. */
  #fetchFrom: number;
  #fetching = false;
  /** Those to be started again, and those passed over. */
  readonly #known = new Map<number, ListedItem>();
  #identifying = 0;
  /** Rows that were in flight when this run began, whose keys are not known yet. */
  readonly #unkeyed = new Set<number>();
  /** Nothing has ended since no row of those passed over could start. */
  #allPassedOver = false;

  constructor(job: JobRef, state: JobState, onChange: () => void) {
    this.#job = job;
    this.#state = state;
    this.#onChange = onChange;
    this.#fetchFrom = state.next_row;
    const { keyed_limits } = state.settings;
    const rows = state.queue.map(([row]) => row);
    if (keyed_limits !== undefined) {
      this.#limits = new KeyedLimits(keyed_limits);
      for (const [row] of state.in_flight) this.#unkeyed.add(row);
      rows.push(...this.#passedOver, ...this.#unkeyed);
    }
    if (rows.length > 0) void this.#identify(rows);
  }

  get exhausted(): boolean {
    const { total, queue } = this.#state;
    const unread = this.#fetchFrom < total || this.#coming.length > 0;
    return !unread && queue.length === 0 && this.#passedOver.length === 0;
  }

  /** What keeps rows from starting, for people. */
  get waitsFor(): string | undefined {
    const count = this.#passedOver.length;
    if (this.#limits === undefined || count === 0) return undefined;
    const most = count < LOOK_AHEAD ? '' : ', no more are passed over';
    return `limit ${String(this.#limits)} (${count} ${count === 1 ? 'row' : 'rows'}${most})`;
  }

  /** @returns undefined where none is left or may start, or what is needed for it is on its way. */
  next(): Row | undefined {
    if (this.#identifying > 0) return undefined;
    const again = this.#state.queue.find(([row]) => this.#admits(this.#known.get(row)!));
    if (again !== undefined) {
      const item = this.#known.get(again[0])!;
      this.remove(again[0]);
      return { ...this.#take(again[0], item), again };
    }
    return this.#nextPassedOver() ?? this.#nextOfInput();
  }

  /** A row has settled. */
  ended(rowIndex: number): void {
    this.#release(rowIndex);
  }

  /** Has a row started again that is in flight no more, after those that are waiting for it. */
  putBack(row: QueuedRow, itemId: string): void {
    const keys = this.#release(row[0]);
    this.#state.queue = [...this.#state.queue, row];
    if (keys === undefined) void this.#identify([row[0]]);
    else this.#known.set(row[0], [itemId, ...keys]);
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
    this.#known.delete(rowIndex);
    return queue[place];
  }

  /** Whether a row before the next one has not been started yet. */
  isPassedOver(rowIndex: number): boolean {
    return this.#passedOver.includes(rowIndex);
  }

  /** Takes a row from those passed over: it is not to be started. */
  drop(rowIndex: number): void {
    this.#state.passed_over = this.#passedOver.filter((row) => row !== rowIndex);
    this.#known.delete(rowIndex);
  }

  get #passedOver(): number[] {
    return this.#state.passed_over ?? [];
  }

  #nextPassedOver(): Row | undefined {
    if (this.#allPassedOver) return undefined;
    const row = this.#passedOver.find((row) => this.#admits(this.#known.get(row)!));
    if (row === undefined) {
      this.#allPassedOver = true;
      return undefined;
    }
    const item = this.#known.get(row)!;
    this.drop(row);
    return this.#take(row, item);
  }

  #nextOfInput(): Row | undefined {
    for (;;) {
      if (this.#coming.length < PAGE / 2) void this.#fetch();
      const [next] = this.#coming;
      if (next === undefined) return undefined;
      const [row, item] = next;
      const { skipped } = this.#state;
      const isSkipped = skipped.includes(row);
      const admitted = isSkipped || this.#admits(item);
      if (!admitted && this.#passedOver.length >= LOOK_AHEAD) return undefined;
      this.#coming.shift();
      this.#state.next_row = row + 1;
      if (isSkipped) {
        this.#state.skipped = skipped.filter((other) => other !== row);
        this.#onChange();
      } else if (admitted) {
        return this.#take(row, item);
      } else {
        (this.#state.passed_over ??= []).push(row);
        this.#known.set(row, item);
      }
    }
  }

  /** @returns the row's keys; undefined where they are not known any more. */
  #release(rowIndex: number): string[] | undefined {
    if (this.#limits === undefined) return [];
    this.#unkeyed.delete(rowIndex);
    this.#allPassedOver = false;
    return this.#limits.release(rowIndex);
  }

  #admits(item: ListedItem): boolean {
    return this.#limits?.admits(keysOf(item)) ?? true;
  }

  #take(row_index: number, item: ListedItem): Row {
    this.#limits?.take(row_index, keysOf(item));
    return { row_index, item_id: typeof item === 'string' ? item : item[0] };
  }

  async #fetch(): Promise<void> {
    const { job_id, store_id } = this.#job;
    const from = this.#fetchFrom;
    if (this.#fetching || from >= this.#state.total) return;
    this.#fetching = true;
    const page = { job_id, store_id, from, count: PAGE };
    if (this.#state.kept === undefined) {
      const items = await sound('listItems', () => listItems(page), areListed);
      for (const [n, item] of items.entries()) this.#coming.push([from + n, item]);
      this.#fetchFrom += items.length;
    } else {
      const { items, next } = await sound(
        'listItemsToStart',
        () => listItemsToStart(page),
        areToStart,
      );
      this.#coming.push(...items);
      this.#fetchFrom = next;
      // What was passed over need not be looked at again by the run that continues this one.
      if (this.#coming.length === 0) this.#state.next_row = next;
    }
    this.#fetching = false;
    this.#onChange();
  }

  async #identify(rows: number[]): Promise<void> {
    const { job_id, store_id } = this.#job;
    this.#identifying += 1;
    for (let first = 0; first < rows.length; first += MAX_IDENTIFIED) {
      const some = rows.slice(first, first + MAX_IDENTIFIED);
      const items = await sound(
        'itemIds',
        () => itemIds({ job_id, store_id, rows: some }),
        (found) => areListed(found) && found.length === some.length,
      );
      for (const [n, row] of some.entries()) {
        // One that has ended meanwhile is in nobody's way.
        if (this.#unkeyed.delete(row)) this.#limits?.take(row, keysOf(items[n]!));
        else this.#known.set(row, items[n]!);
      }
    }
    this.#identifying -= 1;
    this.#onChange();
  }
}

function areListed(found: unknown): found is ListedItem[] {
  return Array.isArray(found) && found.length > 0 && found.every(isListed);
}

function areToStart(found: unknown): boolean {
  if (!isRecord(found)) return false;
  const { items, next } = found;
  const isNumbered = (item: unknown) =>
    Array.isArray(item) && Number.isSafeInteger(item[0]) && isListed(item[1]);
  return Number.isSafeInteger(next) && Array.isArray(items) && items.every(isNumbered);
}

function isListed(item: unknown): boolean {
  const isText = (value: unknown) => typeof value === 'string';
  return isText(item) || (Array.isArray(item) && item.length > 0 && item.every(isText));
}

function keysOf(item: ListedItem): string[] {
  return typeof item === 'string' ? [] : item.slice(1);
}
