import type { Client } from '@temporalio/client';
import { itemOutcome } from './item-outcome.js';
import type { Outcome } from './job.js';
import { ITEM_WORKFLOW, itemKey, itemOf } from './messages.js';
import type { OutcomeOf } from './output/export.js';
import type { JobRecord } from './store/job-record.js';
import type { StoredJob } from './store/job-store.js';
import { OutcomeIndex } from './store/outcome-index.js';

/** Outcomes reach the store within seconds of an item's end. */
const STORE_LAG_MS = 60_000;

/**
 * The outcomes of a job that may still run, or was terminated: those in the store, and those of items
 * that have closed since the last were written.
 */
export async function knownOutcomes(
  client: Client,
  stored: StoredJob,
  { total, encrypted }: JobRecord,
): Promise<OutcomeOf> {
  const index = await OutcomeIndex.of(stored, total);
  const last = await stored.lastBatch();
  const since = last === undefined ? undefined : new Date(Date.parse(last.at) - STORE_LAG_MS);
  const closed = new Map<string, { workflowId: string; runId: string; generation: number }>();
  const recent = since === undefined ? '' : ` AND CloseTime >= '${since.toISOString()}'`;
  for await (const { workflowId, runId } of items(client, stored.jobId, `!= 'Running'${recent}`)) {
    const { key, generation } = itemOf(workflowId);
    if (generation < (closed.get(key)?.generation ?? 0)) continue;
    closed.set(key, { workflowId, runId, generation });
  }
  return async ({ row_index, item_id }): Promise<Outcome | undefined> => {
    const written = await index.get(row_index);
    const last = closed.get(itemKey({ item_id, row_index }, encrypted));
    if (last === undefined) return written;
    const { workflowId, runId, generation } = last;
    if (written !== undefined && (written.generation ?? 1) >= generation) return written;
    const outcome = await itemOutcome(client.workflow.getHandle(workflowId, runId));
    // It is started again, as another generation.
    if (outcome?.status === 'failed' && outcome.quota !== undefined) return written;
    return outcome && { ...outcome, ...(generation > 1 && { generation }) };
  };
}

/** The workflows of a job's items. A job ID holds no quote. @param status as `= 'Running'`; default: any. */
export function items(client: Client, jobId: string, status?: string) {
  const ofStatus = status === undefined ? '' : ` AND ExecutionStatus ${status}`;
  return client.workflow.list({
    query: `WorkflowType = '${ITEM_WORKFLOW}' AND WorkflowId STARTS_WITH '${jobId}/'${ofStatus}`,
  });
}
