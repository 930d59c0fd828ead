import { runsOf } from '../test/support/chain.js';
import type { BenchSite } from './site.js';

/** What a job's own histories came to. */
export interface ParentHistory {
  runs: number;
  eventsPerRow: number;
  longestEvents: number;
  longestMegabytes: number;
  /** The largest input with which it continued as new. */
  inputKilobytes: number;
}

export async function parentHistory(
  { client }: BenchSite,
  jobId: string,
  rows: number,
): Promise<ParentHistory> {
  const runIds = await runsOf(client, jobId);
  let events = 0;
  const longest = { events: 0, bytes: 0, input: 0 };
  for (const [index, runId] of runIds.entries()) {
    const handle = client.workflow.getHandle(jobId, runId);
    const { historyLength, historySize = 0 } = await handle.describe();
    events += historyLength;
    longest.events = Math.max(longest.events, historyLength);
    longest.bytes = Math.max(longest.bytes, historySize);
    if (index === 0) continue;
    const { events: first } = await handle.fetchHistory();
    const payloads = first?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const bytes = payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
    longest.input = Math.max(longest.input, bytes);
  }
  return {
    runs: runIds.length,
    eventsPerRow: events / rows,
    longestEvents: longest.events,
    longestMegabytes: longest.bytes / 1e6,
    inputKilobytes: longest.input / 1000,
  };
}
