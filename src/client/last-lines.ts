import type { Client, WorkflowExecutionDescription } from '@temporalio/client';

/**
 * What the agents of items have said last, as the heartbeats of their activities tell it.
 * @param workflowIds of items that run.
 * @returns by workflow ID, of those of which it is known.
 */
export async function lastLines(
  client: Client,
  workflowIds: string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await Promise.all(
    workflowIds.map(async (workflowId) => {
      // One that has ended meanwhile says nothing any more.
      const item = await client.workflow
        .getHandle(workflowId)
        .describe()
        .catch(() => undefined);
      const line = item && (await heartbeatDetails(client, item));
      if (typeof line === 'string' && line !== '') found.set(workflowId, line);
    }),
  );
  return found;
}

async function heartbeatDetails(
  client: Client,
  { raw }: WorkflowExecutionDescription,
): Promise<unknown> {
  const { payloadCodecs, payloadConverter } = client.options.loadedDataConverter;
  let payloads = raw.pendingActivities?.flatMap(
    ({ heartbeatDetails }) => heartbeatDetails?.payloads?.slice(0, 1) ?? [],
  );
  if (payloads === undefined || payloads.length === 0) return undefined;
  for (const codec of payloadCodecs.toReversed()) payloads = await codec.decode(payloads);
  return payloadConverter.fromPayload(payloads[0]!);
}
