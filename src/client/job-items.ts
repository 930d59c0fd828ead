import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ItemStatus, Json } from '../job.js';
import { items, knownOutcomes } from '../known-outcomes.js';
import {
  ITEM_MEMO,
  type ItemView,
  ROW_MEMO,
  itemKey,
  itemOf,
  itemQuery,
  itemWorkflowId,
  workflowIdOf,
} from '../messages.js';
import { lastError } from '../output/export.js';
import { PAGE_ROWS } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';
import { decoded } from './decoded.js';

/** An item of a job, as listed. */
export interface ItemSummary {
  job_id: string;
  item_id: string;
  workflow_id: string;
  row_index: number;
  status: ItemStatus;
  /** ISO 8601, where it runs; else null. */
  started_at: string | null;
  attempt_count: number;
  last_error: string | null;
}

/** An item with what it has reported, as in the job's output. */
export interface ItemResult {
  item_id: string;
  row_index: number;
  /** The ID column's cell. */
  source_id: string | null;
  status: ItemStatus;
  result: Json | null;
  /** With the reason, where the item has failed. */
  last_error: string | null;
}

/** What an external agent needs to know of an item that is its to do. */
export type ExternalTask = Pick<
  ItemView,
  'job_id' | 'item_id' | 'run' | 'output_schema' | 'heartbeat_seconds'
> & {
  prompt: string;
  row: { [column: string]: Json };
  /** ISO 8601. */
  deadline: string;
};

/** The items of a job in input order. @param status only those of this status. */
export async function* listItems(
  client: Client,
  stored: StoredJob,
  status?: ItemStatus,
): AsyncGenerator<ItemSummary> {
  if (status === 'running') return yield* await runningItems(client, stored.jobId);
  for await (const { outcome, workflow_id, ...row } of rowsFrom(client, stored, 0)) {
    if (status !== undefined && row.status !== status) continue;
    yield {
      job_id: stored.jobId,
      item_id: row.item_id,
      workflow_id,
      row_index: row.row_index,
      status: row.status,
      started_at: row.started_at,
      attempt_count: outcome?.attempt_count ?? 0,
      last_error:
        outcome === undefined || outcome.status === 'completed' ? null : outcome.last_error,
    };
  }
}

/**
 * The items of a job with their results, in input order.
 * @param query.from index of the first row. @param query.status only those of this status.
 */
export async function* listResults(
  client: Client,
  stored: StoredJob,
  query: { from?: number | undefined; status?: ItemStatus | undefined },
): AsyncGenerator<ItemResult> {
  for await (const found of rowsFrom(client, stored, query.from ?? 0)) {
    const { item_id, row_index, source_id, status, outcome } = found;
    const row = { item_id, row_index, source_id, status };
    if (query.status !== undefined && row.status !== query.status) continue;
    const result = outcome?.status === 'completed' ? await stored.result(outcome.result) : null;
    yield { ...row, result, last_error: lastError(outcome) || null };
  }
}

/** The cells of the ID column for some items; null where an item has none. */
export async function sourceIds(
  stored: StoredJob,
  itemIds: string[],
): Promise<Map<string, string | null>> {
  const found = new Map<string, string | null>(itemIds.map((itemId) => [itemId, null]));
  const record = await stored.record();
  if (record?.spec.id_column === undefined) return found;
  let missing = found.size;
  for (let page = 0; missing > 0 && page * PAGE_ROWS < record.total; page += 1) {
    for (const { item_id, source_id } of await stored.page(page)) {
      if (!found.has(item_id)) continue;
      found.set(item_id, source_id || null);
      missing -= 1;
    }
  }
  return found;
}

/** The rows of a job, in input order, each with what became of it and as its page has it. */
export async function* rowsFrom(client: Client, stored: StoredJob, from: number) {
  const record = await stored.record();
  if (record === undefined) return;
  const outcomeOf = await knownOutcomes(client, stored, record);
  const running = new Map<string, { generation: number; started_at: string }>();
  for await (const { workflowId, startTime } of items(client, stored.jobId, `= 'Running'`)) {
    const { key, generation } = itemOf(workflowId);
    running.set(key, { generation, started_at: startTime.toISOString() });
  }
  for (let row_index = from; row_index < record.total;) {
    const page = await stored.page(Math.floor(row_index / PAGE_ROWS));
    for (const page_row of page.slice(row_index % PAGE_ROWS)) {
      const { item_id, source_id } = page_row;
      const runs = running.get(itemKey({ item_id, row_index }, record.encrypted));
      const outcome = runs === undefined ? await outcomeOf({ row_index, item_id }) : undefined;
      const status: ItemStatus = outcome?.status ?? (runs === undefined ? 'pending' : 'running');
      const generation = runs?.generation ?? outcome?.generation;
      const started_at = runs?.started_at ?? null;
      const found = { item_id, row_index, source_id: source_id || null, status, started_at };
      // Where it was run, which may have been another job.
      const ran = outcome?.origin ?? { job_id: stored.jobId, item_id };
      const job = { ...record, job_id: ran.job_id };
      const workflow_id = workflowIdOf(job, { item_id: ran.item_id, row_index, generation });
      yield { ...found, outcome, workflow_id, page_row };
      row_index += 1;
    }
  }
}

/** The items in flight, from the server alone: who works on them may not have the job store. */
async function runningItems(client: Client, jobId: string): Promise<ItemSummary[]> {
  const running: ItemSummary[] = [];
  for await (const { workflowId, memo, startTime } of items(client, jobId, `= 'Running'`)) {
    running.push({
      job_id: jobId,
      item_id: idOf(workflowId, memo),
      workflow_id: workflowId,
      row_index: Number(memo?.[ROW_MEMO]),
      status: 'running',
      started_at: startTime.toISOString(),
      attempt_count: 0,
      last_error: null,
    });
  }
  return running.sort((a, b) => a.row_index - b.row_index);
}

/** @throws {Undecodable} where it takes a key to tell, which this process does not have. */
function idOf(workflowId: string, memo: Record<string, unknown> | undefined): string {
  const { item_id, key } = itemOf(workflowId);
  return (
    item_id ?? decoded<string | undefined>(`the ID of ${workflowId}`, memo?.[ITEM_MEMO]) ?? key
  );
}

/** The item may have to be replayed by its worker; without one, the server would wait for longer. */
const TASK_TIMEOUT_MS = 10_000;

/** @returns undefined where an external agent has nothing to do, or not yet. */
export async function externalTask(
  client: Client,
  jobId: string,
  itemId: string,
): Promise<ExternalTask | undefined> {
  let view: ItemView;
  try {
    const handle = client.workflow.getHandle(await runningItem(client, jobId, itemId));
    const ask = () => handle.query(itemQuery);
    const answer = await client.withDeadline(Date.now() + TASK_TIMEOUT_MS, ask);
    view = decoded(`item ${itemId}`, answer);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
  const { job_id, item_id, run, prompt, row, deadline, reported } = view;
  const { output_schema, heartbeat_seconds } = view;
  // An item that has only begun knows neither; one of another agent has no deadline here.
  if (reported || prompt === undefined || row === undefined || deadline === null) return undefined;
  return {
    job_id,
    item_id,
    run,
    prompt,
    row,
    deadline,
    ...(output_schema !== undefined && { output_schema }),
    ...(heartbeat_seconds !== undefined && { heartbeat_seconds }),
  };
}

/**
 * The workflow ID of an item's generation that runs, else of its first.
 * @throws `WorkflowNotFoundError` where there is no such item, or where it has ended and its workflow is not
 *   named by its ID; {@link Undecodable}.
 */
export async function runningItem(client: Client, jobId: string, itemId: string): Promise<string> {
  const first = itemWorkflowId(jobId, itemId);
  let unknown: WorkflowNotFoundError | undefined;
  try {
    const { status } = await client.workflow.getHandle(first).describe();
    if (status.name === 'RUNNING') return first;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Items of an encrypted job are not named by their IDs.
    unknown = error;
  }
  for await (const { workflowId, memo } of items(client, jobId, `= 'Running'`)) {
    if (idOf(workflowId, memo) === itemId) return workflowId;
  }
  if (unknown !== undefined) throw unknown;
  return first;
}
