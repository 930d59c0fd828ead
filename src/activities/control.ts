import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type Counts, type KeptRows, outputKey } from '../job.js';
import {
  INVALID_INPUT_FAILURE,
  jobIdAttribute,
  verdictAttribute,
  workflowIdOf,
} from '../messages.js';
import type { Metrics } from '../metrics.js';
import { type OutcomeOf, exportRows, outputText } from '../output/export.js';
import { isRerun, settingsOf } from '../spec.js';
import { PAGE_ROWS, type PageRow } from '../store/job-record.js';
import { type JobStore, NoSuchInput, type StoredJob } from '../store/job-store.js';
import { OutcomeIndex, lastOutcome } from '../store/outcome-index.js';
import type { ControlActivities, EndedItems, ItemsInFlight, ListedItem } from './contract.js';
import { ItemWatch } from './item-watch.js';
import { InvalidInput, snapshotInput } from './open-input.js';
import type { OpenJob, OpenJobs } from './open-jobs.js';
import { createPoolActivities } from './pools.js';

/** What an item may be told of its row at once; a payload is at most 2 MB. */
const MAX_TASK_CHARS = 500_000;

/** The activities beside the agents: input, outcomes, output. */
export function createControlActivities(deps: {
  client: Client;
  store: JobStore;
  jobs: OpenJobs;
  metrics?: Metrics | undefined;
}): ControlActivities {
  const { client, store, jobs, metrics } = deps;
  const watch = new ItemWatch(client);

  async function executionsOf({ items, ...ref }: ItemsInFlight) {
    const rows = items.map(([row]) => row);
    const { stored, record } = await jobs.open(ref);
    const rowsOfItems = await rowsOf(stored, rows);
    return items.map(([row_index, runId, generation], n) => {
      const { item_id } = rowsOfItems[n]!;
      const workflowId = workflowIdOf(record, { item_id, row_index, generation });
      return { row_index, item_id, workflowId, runId };
    });
  }

  return {
    ...createPoolActivities(client),

    async openInput({ job_id, spec, run_id }) {
      try {
        const store_id = await store.blobs.id();
        const record = await snapshotInput({ client, store }, job_id, spec, run_id);
        const { kept, encrypted } = record;
        return {
          store_id,
          total: record.total,
          search_attributes: await searchAttributesRegistered(client),
          ...(record.spec.input_key !== undefined && {
            stored_output: store.job(job_id).locate(outputKey(record.output_csv_path)),
          }),
          ...(isRerun(spec) && { settings: settingsOf(record.spec, job_id) }),
          ...(kept !== undefined && {
            kept: kept.rows,
            counts: endedOf(kept.rows),
            next_batch: kept.batches,
          }),
          ...(encrypted && { encrypted }),
        };
      } catch (error) {
        // Another worker of the task queue may have the store that has it.
        const { attempt } = Context.current().info;
        const isLost = error instanceof NoSuchInput && attempt > MAX_OTHER_STORES;
        if (!(error instanceof InvalidInput || isLost)) throw error;
        throw ApplicationFailure.nonRetryable((error as Error).message, INVALID_INPUT_FAILURE);
      }
    },

    async listItems({ from, count, ...ref }) {
      const stored = await jobs.stored(ref);
      const page = await stored.page(Math.floor(from / PAGE_ROWS));
      const first = from % PAGE_ROWS;
      return page.slice(first, first + count).map(listed);
    },

    async listItemsToStart({ from, count, ...ref }) {
      return itemsToStart(await jobs.open(ref), from, count);
    },

    async itemIds({ rows, ...ref }) {
      return (await rowsOf(await jobs.stored(ref), rows)).map(listed);
    },

    async rowOf({ item_id, ...ref }) {
      return (await (await jobs.stored(ref)).rowOf(item_id)) ?? null;
    },

    async isKept({ row_index, ...ref }) {
      const page = await (await jobs.stored(ref)).page(Math.floor(row_index / PAGE_ROWS));
      return page[row_index % PAGE_ROWS]!.kept === true;
    },

    async lastOutcome({ row_index, ...ref }) {
      const outcome = await lastOutcome(await jobs.stored(ref), row_index);
      if (outcome === undefined) return null;
      const { status, generation = 1, origin } = outcome;
      return { status, generation, ...(origin !== undefined && { kept: true }) };
    },

    async appendOutcomes({ batch, counts, outcomes, ...ref }) {
      const stored = await jobs.stored(ref);
      const header = { at: new Date().toISOString(), counts };
      const isNew = await stored.saveOutcomes(batch, header, outcomes);
      if (metrics === undefined || !isNew) return;
      const { record } = await jobs.open(ref);
      metrics.rowsEnded(record.spec.agent, outcomes);
    },

    async awaitItems(wait) {
      const items = await executionsOf(wait);
      const closed: EndedItems = { ended: [], gone: [] };
      const ends = await watch.firstOf(items, Context.current().cancellationSignal);
      for (const [n, { outcome }] of ends) {
        const { row_index, item_id } = items[n]!;
        if (outcome === undefined) closed.gone.push([row_index, item_id]);
        else closed.ended.push({ row_index, item_id, outcome });
      }
      return closed;
    },

    async cancelItems(items) {
      const left = (await executionsOf(items)).values();
      const cancel = async () => {
        for (const { workflowId, runId } of left) {
          await client.workflow.getHandle(workflowId, runId).cancel().catch(ignoreClosed);
        }
      };
      await Promise.all(Array.from({ length: CANCELLED_AT_ONCE }, cancel));
    },

    async saveResult({ job_id, store_id, ...result }) {
      return (await jobs.stored({ job_id, store_id })).saveResult(result);
    },

    async describeItem({ row_index, job_id, store_id }) {
      const job = await jobs.open({ job_id, store_id });
      const row = await job.row(row_index);
      const task = { prompt: job.prompt(row), row };
      const size = JSON.stringify(task).length;
      if (size > MAX_TASK_CHARS) {
        throw ApplicationFailure.nonRetryable(
          `prompt and row are ${size} characters; at most ${MAX_TASK_CHARS} can be handed to an ` +
            'external agent or an activity',
        );
      }
      return task;
    },

    async exportResults({ summary, ...ref }) {
      const { stored, record } = await jobs.open(ref);
      const outcomes = await OutcomeIndex.of(stored, record.total);
      const { output_csv_path: path, spec } = record;
      const outcomeOf: OutcomeOf = ({ row_index }) => outcomes.get(row_index);
      const key = spec.input_key === undefined ? undefined : outputKey(path);
      let outputError: string | null = null;
      try {
        if (key === undefined) await exportRows(path, record, stored, outcomeOf);
        else await stored.saveOutput(key, outputText(path, record, stored, outcomeOf));
      } catch (error) {
        outputError = `${key === undefined ? path : stored.locate(key)} could not be written: ${(error as Error).message}`;
      }
      await stored.saveSummary({ ...summary, output_error: outputError });
      return outputError;
    },
  };
}

function listed({ item_id, keys }: PageRow): ListedItem {
  return keys === undefined ? item_id : [item_id, ...keys];
}

/** The rows, in the same order; each page is read once. */
async function rowsOf(stored: StoredJob, rows: number[]): Promise<PageRow[]> {
  const pages = new Map<number, PageRow[]>();
  const found: PageRow[] = [];
  for (const row of rows) {
    const number = Math.floor(row / PAGE_ROWS);
    let page = pages.get(number);
    if (page === undefined) pages.set(number, (page = await stored.page(number)));
    found.push(page[row % PAGE_ROWS]!);
  }
  return found;
}

/** Attempts that may go to workers with another job store than the caller's, which are misconfigured. */
const MAX_OTHER_STORES = 3;

/** The job waits a minute for its items to end, and the server may be a network away. */
const CANCELLED_AT_ONCE = 32;

/** The longest that rows are looked for: a job may start few of many. */
const MAX_LOOK_MS = 10_000;

async function itemsToStart({ stored, record }: OpenJob, from: number, count: number) {
  const items: [row_index: number, item: ListedItem][] = [];
  let next = from;
  const end = Date.now() + MAX_LOOK_MS;
  while (next < record.total && Date.now() < end) {
    const page = await stored.page(Math.floor(next / PAGE_ROWS));
    for (const row of page.slice(next % PAGE_ROWS)) {
      if (!row.kept) items.push([next, listed(row)]);
      next += 1;
      if (items.length === count) return { items, next };
    }
  }
  return { items, next };
}

function endedOf({ completed, failed, cancelled }: KeptRows): Counts {
  return { completed, failed, cancelled };
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'WorkflowNotFoundError') throw error;
}

async function searchAttributesRegistered(client: Client): Promise<boolean> {
  try {
    const { customAttributes } = await client.connection.operatorService.listSearchAttributes({
      namespace: client.options.namespace,
    });
    return [jobIdAttribute, verdictAttribute].every(({ name }) => customAttributes?.[name]);
  } catch {
    // Not every server lets everybody ask. Without them, less can be listed and nothing breaks.
    return false;
  }
}
