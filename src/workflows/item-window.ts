import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  ParentClosePolicy,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  rootCause,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { EndedItems, ItemInFlight, JobRef } from '../activities/contract.js';
import type { Outcome } from '../job.js';
import { clip } from '../job.js';
import {
  ITEM_MEMO,
  ITEM_WORKFLOW,
  type ItemName,
  ROW_MEMO,
  jobIdAttribute,
  workflowIdOf,
} from '../messages.js';
import { atLength } from './control-activities.js';
import { requireKey } from './decoded.js';
import { asOutcome } from '../outcome-check.js';
import { isRecord, sound } from './activity-results.js';
import type { agentJobItem } from './agent-job-item.js';
import type { ItemInput } from './item-input.js';
import type { JobState, QueuedRow } from './job-state.js';
import type { Row } from './row-source.js';

/** Long polls of the server are limited, and the end of one item must not restart them all. */
const ADOPTION_CHUNK = 32;
/** The Web UI shows the summary in one line, and pushes all else off the screen for a longer one. */
const MAX_SUMMARY_CHARS = 60;

const { awaitItems, cancelItems } = atLength;

/** What becomes of items; each ends in one of these ways, once. */
export interface ItemEvents {
  onSettled(item: {
    row_index: number;
    item_id: string;
    outcome: Outcome;
    /** As what the row was counted before, if this is not its first generation. */
    was: QueuedRow[2];
  }): void;
  /** The item has not come to an outcome, and is to be started again. */
  onPutBack(row: QueuedRow, itemId: string): void;
  /** Something else has changed. */
  onChange(): void;
}

/**
 * The items in flight: own children, whose end arrives as an event, and items adopted from the run
 * before this one, whose end an activity waits for. Each settles exactly once.
 */
export class ItemWindow {
  readonly #job: JobRef;
  readonly #state: JobState;
  readonly #events: ItemEvents;
  readonly #started = new Map<number, string>();
  /** Items that are not in their first generation. */
  readonly #again = new Map<number, QueuedRow>();
  readonly #adopted = new Set<number>();
  readonly #children = new CancellationScope();
  readonly #starting = new Set<number>();
  #held = false;
  #lastHeldAt = 0;

  constructor(job: JobRef, state: JobState, events: ItemEvents) {
    this.#job = job;
    this.#state = state;
    this.#events = events;
    for (const [row, runId, generation, was] of state.in_flight) {
      this.#started.set(row, runId);
      if (generation !== undefined) this.#again.set(row, [row, generation, was ?? null]);
    }
    for (let from = 0; from < state.in_flight.length; from += ADOPTION_CHUNK) {
      void this.#adopt(state.in_flight.slice(from, from + ADOPTION_CHUNK));
    }
  }

  /** Slots taken. */
  get size(): number {
    return this.#starting.size + this.#started.size;
  }

  /** Items asked for whose start is not known yet: a job must not continue as new before it is. */
  get starting(): number {
    return this.#starting.size;
  }

  has(rowIndex: number): boolean {
    return this.#starting.has(rowIndex) || this.#started.has(rowIndex);
  }

  /** Items that end from here on do not settle, so that what the next run is given stays as it is. */
  hold(): void {
    this.#held = true;
  }

  /** Has those settle that have ended meanwhile. */
  release(): void {
    this.#held = false;
  }

  /** Whether an item that is held has ended during this very workflow task. */
  get endedNow(): boolean {
    return this.#lastHeldAt === workflowInfo().historyLength;
  }

  /** What the next run is given: it adopts those that run, and finds closed those that have ended. */
  handOver(): JobState['in_flight'] {
    return this.#inFlight(() => true);
  }

  start(row: Row): void {
    this.#starting.add(row.row_index);
    if (row.again !== undefined) this.#again.set(row.row_index, row.again);
    void this.#run(row);
  }

  /** Asks one item to end, which then settles as usual. @returns once the server has the request. */
  async cancelItem({ row_index, item_id }: Row): Promise<void> {
    // The server refuses to cancel what it has not started.
    await condition(() => !this.#starting.has(row_index));
    if (!this.#started.has(row_index)) return;
    const generation = this.#again.get(row_index)?.[1];
    await getExternalWorkflowHandle(this.#workflowId({ row_index, item_id, generation })).cancel();
  }

  /** Asks all items in flight to end; those that do settle as usual. */
  async cancel(): Promise<void> {
    this.#children.cancel();
    const items = this.#inFlight((row) => this.#adopted.has(row));
    if (items.length > 0) await cancelItems({ ...ref(this.#job), items });
  }

  /** Settles what is left, without waiting for its end. */
  abandon(lastError: string): void {
    const completed_at = new Date().toISOString();
    for (const row of this.#started.keys()) {
      const ended = { attempt_count: 1, last_error: lastError, completed_at };
      this.#settle(row, rowName(row), { status: 'cancelled', ...ended });
    }
  }

  async #run({ row_index: rowIndex, item_id: itemId, again }: Row): Promise<void> {
    const { settings, search_attributes, encrypted } = this.#state;
    const { agent, limits, output_schema } = settings;
    const input: ItemInput = {
      ...ref(this.#job),
      item_id: itemId,
      row_index: rowIndex,
      agent,
      limits,
      ...(output_schema === undefined ? {} : { output_schema }),
      ...(again !== undefined && { generation: again[1] }),
    };
    let child;
    try {
      // Only the child belongs to the scope that is cancelled, not what follows from its end.
      child = await this.#children.run(() =>
        startChild<typeof agentJobItem>(ITEM_WORKFLOW, {
          workflowId: this.#workflowId(input),
          args: [input],
          staticSummary: encrypted ? rowName(rowIndex) : clip(itemId, MAX_SUMMARY_CHARS),
          memo: { [ROW_MEMO]: rowIndex, ...(encrypted && { [ITEM_MEMO]: itemId }) },
          // The other policies end the items in flight when the job continues as new.
          parentClosePolicy: ParentClosePolicy.ABANDON,
          ...(search_attributes && {
            typedSearchAttributes: [{ key: jobIdAttribute, value: this.#job.job_id }],
          }),
        }),
      );
    } catch (error) {
      this.#starting.delete(rowIndex);
      if (!isCancellation(error)) this.#notStarted(rowIndex, itemId, error);
      // Cancelled before it began: the row stays pending, or what it was.
      else if (again !== undefined) this.#events.onPutBack(again, itemId);
      this.#events.onChange();
      return;
    }
    this.#starting.delete(rowIndex);
    this.#started.set(rowIndex, child.firstExecutionRunId);
    this.#events.onChange();
    let left: unknown;
    try {
      left = await child.result();
    } catch (error) {
      left = leftBy(error);
    }
    requireKey(left);
    const outcome = asOutcome(left);
    await this.#released();
    if (outcome !== undefined) this.#settle(rowIndex, itemId, outcome);
    // Cancelled, terminated, or broken: how, an activity finds out.
    else void this.#adopt([inFlight(rowIndex, child.firstExecutionRunId, again)]);
  }

  #workflowId(item: ItemName & { generation?: number | undefined }): string {
    const { encrypted } = this.#state;
    return workflowIdOf({ job_id: this.#job.job_id, ...(encrypted && { encrypted }) }, item);
  }

  /** The workflow ID is taken: by a leftover of a job of this ID that this server still knows. */
  #notStarted(rowIndex: number, itemId: string, error: unknown): void {
    this.#started.set(rowIndex, '');
    const taken = error instanceof WorkflowExecutionAlreadyStartedError;
    const why = taken ? 'a workflow of its ID is running' : (rootCause(error) ?? String(error));
    this.#settle(rowIndex, itemId, {
      status: 'failed',
      attempt_count: 0,
      reason: 'agent_error',
      last_error: clip(`the item could not be started: ${why}`),
      completed_at: new Date().toISOString(),
    });
  }

  async #adopt(items: JobState['in_flight']): Promise<void> {
    for (const [row] of items) this.#adopted.add(row);
    let waiting = items;
    while (waiting.length > 0) {
      const wait = { ...ref(this.#job), items: waiting };
      const { ended, gone } = await sound('awaitItems', () => awaitItems(wait), areEnded);
      await this.#released();
      for (const { row_index, item_id, outcome } of ended)
        this.#settle(row_index, item_id, outcome);
      for (const [row_index, item_id] of gone) this.#putBack(row_index, item_id);
      waiting = waiting.filter(([row]) => this.#started.has(row));
    }
  }

  /** To be awaited with the end of an item, before it settles. */
  async #released(): Promise<void> {
    if (!this.#held) return;
    this.#lastHeldAt = workflowInfo().historyLength;
    await condition(() => !this.#held);
  }

  #settle(row_index: number, item_id: string, outcome: Outcome): void {
    const again = this.#again.get(row_index);
    if (!this.#leave(row_index)) return;
    this.#events.onSettled({
      row_index,
      item_id,
      outcome: again === undefined ? outcome : { ...outcome, generation: again[1] },
      was: again?.[2] ?? null,
    });
  }

  #putBack(rowIndex: number, itemId: string): void {
    const again: QueuedRow = this.#again.get(rowIndex) ?? [rowIndex, 1, null];
    if (this.#leave(rowIndex)) this.#events.onPutBack(again, itemId);
  }

  /** @returns whether the item was still there. */
  #leave(rowIndex: number): boolean {
    this.#adopted.delete(rowIndex);
    this.#again.delete(rowIndex);
    return this.#started.delete(rowIndex);
  }

  #inFlight(which: (rowIndex: number) => boolean): ItemInFlight[] {
    const items: ItemInFlight[] = [];
    for (const [row, runId] of this.#started) {
      if (which(row)) items.push(inFlight(row, runId, this.#again.get(row)));
    }
    return items;
  }
}

function inFlight(row: number, runId: string, again: QueuedRow | undefined): ItemInFlight {
  if (again === undefined) return [row, runId];
  const [, generation, was] = again;
  return was === null ? [row, runId, generation] : [row, runId, generation, was];
}

function ref({ job_id, store_id }: JobRef): JobRef {
  return { job_id, store_id };
}

/** An item by its row, where its ID is not known or not to be shown. */
function rowName(rowIndex: number): string {
  return `row-${rowIndex + 1}`;
}

/** What a failed item carries as its details: its outcome, if all is well. */
function leftBy(error: unknown): unknown {
  if (!(error instanceof ChildWorkflowFailure)) return undefined;
  const { cause } = error;
  if (!(cause instanceof ApplicationFailure)) return undefined;
  return cause.details?.[0];
}

function areEnded(found: unknown): found is EndedItems {
  if (!isRecord(found)) return false;
  const { ended, gone } = found;
  return (
    Array.isArray(gone) &&
    gone.every((item) => Array.isArray(item)) &&
    Array.isArray(ended) &&
    ended.every((item) => isRecord(item) && asOutcome(item['outcome']) !== undefined)
  );
}
