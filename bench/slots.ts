import type { BenchSite } from './site.js';
import { percentile, sum } from './statistics.js';

/** How well a job kept its slots full. */
export interface SlotUse {
  /** The time that it would have taken with no slot ever empty, over the time that it took. */
  ofIdeal: number;
  /** Milliseconds from the end of an item to the start of the one that takes its slot. */
  refillP50: number;
  refillP99: number;
  /** Mean of the items in flight, over the slots, from the first time all were taken to the last start. */
  meanInFlight: number;
}

/** A job whose agents take their time, and what its items' start and end tell. */
export async function slotUse(
  site: BenchSite,
  job: { rows: number; inFlight: number; seconds: (row: number) => number },
): Promise<SlotUse> {
  const jobId = await site.job(job);
  const starts: number[] = [];
  const ends: number[] = [];
  const query = `WorkflowType = 'agentJobItem' AND WorkflowId STARTS_WITH '${jobId}/'`;
  for await (const { startTime, closeTime } of site.client.workflow.list({ query })) {
    starts.push(startTime.getTime());
    ends.push(closeTime!.getTime());
  }
  if (starts.length !== job.rows)
    throw new Error(`${starts.length} items of ${job.rows} are listed`);
  starts.sort((a, b) => a - b);
  ends.sort((a, b) => a - b);
  const refills = starts.slice(job.inFlight).map((start, index) => start - ends[index]!);
  const agentSeconds = sum(Array.from({ length: job.rows }, (_, row) => job.seconds(row)));
  const took = (ends.at(-1)! - starts[0]!) / 1000;
  return {
    ofIdeal: agentSeconds / job.inFlight / took,
    refillP50: percentile(refills, 0.5),
    refillP99: percentile(refills, 0.99),
    meanInFlight: meanInFlight(starts, ends, job.inFlight) / job.inFlight,
  };
}

function meanInFlight(starts: number[], ends: number[], inFlight: number): number {
  const from = starts[inFlight - 1]!;
  const to = starts.at(-1)!;
  const within = (time: number) => Math.min(Math.max(time, from), to);
  // Sums of what each item was in flight in between.
  return (sum(ends.map(within)) - sum(starts.map(within))) / (to - from);
}
