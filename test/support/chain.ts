/** What the server's histories tell of a job: its runs, and when its items were in flight. */
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { ITEM_WORKFLOW } from '../../src/messages.js';
import { until } from './site.js';

/** The run IDs of a job, from the first on; it continues as new from one to the next. */
export async function runsOf(client: Client, jobId: string): Promise<string[]> {
  const { raw } = await client.workflow.getHandle(jobId).describe();
  let runId = raw.workflowExecutionInfo?.firstRunId ?? undefined;
  const runs: string[] = [];
  while (runId) {
    runs.push(runId);
    const { events } = await client.workflow.getHandle(jobId, runId).fetchHistory();
    const last = events?.at(-1);
    runId = last?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return runs;
}

/** The run ID that a job has now. */
export async function currentRun(client: Client, jobId: string): Promise<string> {
  return (await client.workflow.getHandle(jobId).describe()).runId;
}

/** Resolves as soon as the job has continued as new from that run, or has closed. */
export async function nextRun(client: Client, jobId: string, runId: string): Promise<void> {
  await client.workflow
    .getHandle(jobId, runId, { followRuns: false })
    .result()
    .catch(() => {});
}

/** Every item of a job that the server knows, by the server's own account. */
export async function itemsOf(
  client: Client,
  jobId: string,
): Promise<WorkflowExecutionDescription[]> {
  const items: WorkflowExecutionDescription[] = [];
  const query = `WorkflowType = '${ITEM_WORKFLOW}' AND WorkflowId STARTS_WITH '${jobId}/'`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    items.push(await client.workflow.getHandle(workflowId, runId).describe());
  }
  return items;
}

/** The most items that were in flight at one time. */
export function mostInFlight(items: WorkflowExecutionDescription[]): number {
  const changes = items.flatMap(({ startTime, closeTime }) => [
    { at: startTime.getTime(), by: 1 },
    { at: closeTime?.getTime() ?? Infinity, by: -1 },
  ]);
  // One that ends makes room for another in the same millisecond.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let most = 0;
  for (const { by } of changes) most = Math.max(most, (now += by));
  return most;
}

/** How many items were in flight at a time. */
function inFlightAt(items: WorkflowExecutionDescription[], at: Date): number {
  return items.filter(
    ({ startTime, closeTime }) => startTime <= at && (closeTime === undefined || closeTime > at),
  ).length;
}

/** Waits until the server lists no item of the job as running any more. */
export async function noneRunning(client: Client, jobId: string): Promise<void> {
  await until(`no item of ${jobId} runs`, async () =>
    (await itemsOf(client, jobId)).every(({ status }) => status.name !== 'RUNNING'),
  );
}

/** How many items were in flight whenever the job continued as new. */
export async function inFlightAtRenewals(client: Client, jobId: string): Promise<number[]> {
  const [runs, items] = [await runsOf(client, jobId), await itemsOf(client, jobId)];
  return Promise.all(
    runs.slice(0, -1).map(async (runId) => {
      const { closeTime } = await client.workflow.getHandle(jobId, runId).describe();
      return inFlightAt(items, closeTime!);
    }),
  );
}
