import { setTimeout as delay } from 'node:timers/promises';
import {
  type WorkflowHandle,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { type BenchSite, itemId } from './site.js';

const LOOK_MS = 20;

/** Milliseconds from a report's acknowledgement to its item's end, for each row. */
export async function ourLatencies(site: BenchSite, rows: number, inFlight: number) {
  const job = await site.start({ rows, inFlight });
  return reported(site, site.succeeded(job, rows), rows, inFlight, (row) => ({
    workflowId: `${job.jobId}/${itemId(row)}`,
    signal: 'report_agent_job_result',
  }));
}

export async function bareLatencies(site: BenchSite, rows: number, inFlight: number) {
  const { ended, jobId } = await site.bareJob({ rows, inFlight });
  return reported(site, ended(), rows, inFlight, (row) => ({
    workflowId: `${jobId}/${row}`,
    signal: 'report',
  }));
}

/** Reports for all rows, as many at a time as are in flight, until their job has ended. */
async function reported(
  { client }: BenchSite,
  ended: Promise<unknown>,
  rows: number,
  inFlight: number,
  itemOf: (row: number) => { workflowId: string; signal: string },
): Promise<number[]> {
  const latencies: number[] = [];
  const left = Array.from({ length: rows }, (_, row) => row).values();
  const given = new AbortController();
  const report = async () => {
    for (const row of left) {
      if (given.signal.aborted) return;
      const { workflowId, signal } = itemOf(row);
      const item = client.workflow.getHandle(workflowId);
      await waiting(item, given.signal);
      await item.signal(signal, { result: 1 });
      const acknowledged = performance.now();
      await completed(item);
      latencies.push(performance.now() - acknowledged);
    }
  };
  try {
    // A job that ends in another way than it should tells why.
    await Promise.all([ended, ...Array.from({ length: inFlight }, report)]);
  } finally {
    given.abort();
  }
  return latencies;
}

/**
 * Returns once the item waits for its report.
 * @param given ends the wait, after which nobody is interested.
 * @throws if the item has ended.
 */
export async function waiting(item: WorkflowHandle, given: AbortSignal): Promise<void> {
  while (!given.aborted && !(await waits(item))) await delay(LOOK_MS);
}

/** Whether the item has begun to wait: its first workflow task is over, and its timer runs. */
async function waits(item: WorkflowHandle): Promise<boolean> {
  try {
    const { historyLength, status } = await item.describe();
    if (status.name !== 'RUNNING') {
      await completed(item);
      throw new Error(`${item.workflowId} has ended before its report: ${status.name}`);
    }
    return historyLength >= 5;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** @throws if the item ends in any other way, with its reason. */
async function completed(item: WorkflowHandle): Promise<void> {
  try {
    await item.result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const reason = error.cause?.message ?? error.message;
    throw new Error(`${item.workflowId} has not completed: ${reason}`);
  }
}
