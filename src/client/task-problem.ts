import type { Client } from '@temporalio/client';

/** Types of events: how a workflow task ends. Those of one that is tried again are not kept. */
const COMPLETED = 7;
const FAILED = 9;

/** @returns why the workers of a job cannot work on it, where one has just said so; else null. */
export async function taskProblem(client: Client, workflowId: string): Promise<string | null> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 5,
  });
  // Signals may have come since.
  const end = history?.events?.find(({ eventType }) =>
    [COMPLETED, FAILED].includes(Number(eventType)),
  );
  return end?.workflowTaskFailedEventAttributes?.failure?.message ?? null;
}
