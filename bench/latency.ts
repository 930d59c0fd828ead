import { setTimeout as delay } from 'node:timers/promises';
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { type BenchSite, itemId } from './site.js';

/** Milliseconds from a report's acknowledgement to its item's end, for each row. */
export async function ourLatencies(site: BenchSite, rows: number, inFlight: number) {
  const job = await site.start({ rows, inFlight });
  const latencies = await reported(site, rows, inFlight, (row) => ({
    workflowId: `${job.jobId}/${itemId(row)}`,
    signal: 'report_agent_job_result',
  }));
  await job.result();
  return latencies;
}

export async function bareLatencies(site: BenchSite, rows: number, inFlight: number) {
  const { handle, jobId } = await site.bareJob({ rows, inFlight, external: true });
  const latencies = await reported(site, rows, inFlight, (row) => ({
    workflowId: `${jobId}/${row}`,
    signal: 'report',
  }));
  await handle.result();
  return latencies;
}

/** Reports for all rows, as many at a time as are in flight. */
async function reported(
  { client }: BenchSite,
  rows: number,
  inFlight: number,
  itemOf: (row: number) => { workflowId: string; signal: string },
): Promise<number[]> {
  const latencies: number[] = [];
  const left = Array.from({ length: rows }, (_, row) => row).values();
  const report = async () => {
    for (const row of left) {
      const { workflowId, signal } = itemOf(row);
      const item = client.workflow.getHandle(workflowId);
      await waiting(item);
      await item.signal(signal, { result: 1 });
      const acknowledged = performance.now();
      await item.result();
      latencies.push(performance.now() - acknowledged);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, report));
  return latencies;
}

/** Returns once the item waits for its report. */
export async function waiting(item: WorkflowHandle): Promise<void> {
  while (!(await waits(item))) await delay(20);
}

/** Whether the item has begun to wait: its first workflow task is over, and its timer runs. */
async function waits(item: WorkflowHandle): Promise<boolean> {
  try {
    return (await item.describe()).historyLength >= 5;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
