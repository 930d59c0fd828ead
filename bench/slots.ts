import { until } from '../test/support/site.js';
import type { BenchJob, BenchSite } from './site.js';
import { percentile, sum } from './statistics.js';

/** How well a job kept its slots full. */
export interface SlotUse {
  /** Of the whole job. */
  rowsPerSecond: number;
  /** The time that it would have taken with no slot ever empty, over the time that it took. */
  ofIdeal: number;
  /** Milliseconds from the end of an item to the start of the one that takes its slot. */
  refillP50: number;
  refillP99: number;
  /** Mean of the items in flight over the slots, while it was for the job to keep them full. */
  meanInFlight: number;
}

const LIST_MS = 60_000;

/** A job whose agents take their time. */
export interface SlotJob extends BenchJob {
  /** What they take, by turns. */
  seconds: number[];
  /** How many can run at once; by default all that are in flight. */
  slots?: number;
}

export async function ourSlots(site: BenchSite, job: SlotJob): Promise<SlotUse> {
  const jobId = await site.job({ ...job, seconds: (row) => taken(job, row) });
  return slotUse(site, jobId, 'agentJobItem', job);
}

export async function bareSlots(site: BenchSite, job: SlotJob): Promise<SlotUse> {
  const { jobId, ended } = await site.bareJob(job);
  await ended();
  return slotUse(site, jobId, 'bareChild', job);
}

function taken({ seconds }: SlotJob, row: number): number {
  return seconds[row % seconds.length]!;
}

/** What the start and end of a job's items tell. */
async function slotUse(
  site: BenchSite,
  jobId: string,
  itemType: string,
  job: SlotJob,
): Promise<SlotUse> {
  const { starts, ends } = await until(
    `all items of ${jobId} are listed`,
    () => timesOf(site, jobId, itemType, job.rows),
    LIST_MS,
  );
  const empty = emptySlots(starts, ends, job.inFlight);
  const agentSeconds = sum(Array.from({ length: job.rows }, (_, row) => taken(job, row)));
  const took = (ends.at(-1)! - starts[0]!) / 1000;
  return {
    rowsPerSecond: job.rows / took,
    ofIdeal: agentSeconds / (job.slots ?? job.inFlight) / took,
    refillP50: percentile(empty, 0.5),
    refillP99: percentile(empty, 0.99),
    meanInFlight: meanInFlight(starts, ends, job.inFlight) / job.inFlight,
  };
}

/** When the items started and ended, in order, by the server's clock; undefined where it lists not all yet. */
async function timesOf({ client }: BenchSite, jobId: string, itemType: string, rows: number) {
  const starts: number[] = [];
  const ends: number[] = [];
  const query = `WorkflowType = '${itemType}' AND WorkflowId STARTS_WITH '${jobId}/' AND CloseTime IS NOT NULL`;
  for await (const { startTime, closeTime } of client.workflow.list({ query })) {
    starts.push(startTime.getTime());
    ends.push(closeTime!.getTime());
  }
  const ascending = (a: number, b: number) => a - b;
  return ends.length === rows
    ? { starts: starts.sort(ascending), ends: ends.sort(ascending) }
    : undefined;
}

/**
 * How long each slot was empty that was filled again, in order of the starts. The slot that has been empty
 * for longest is filled first: whichever item takes a slot, and whichever run of the job starts it, the
 * start after the first `inFlight` ones is made possible by the first end, and so on.
 * @param starts in ascending order, as are `ends`.
 */
export function emptySlots(starts: number[], ends: number[], inFlight: number): number[] {
  return starts.slice(inFlight).map((start, index) => start - ends[index]!);
}

/**
 * Time-weighted, from the end of the ramp-up, which is the start of the item that could take the last slot,
 * to the last start: before, slots cannot all be full; afterwards, nothing is left to fill them.
 */
export function meanInFlight(starts: number[], ends: number[], inFlight: number): number {
  const from = starts[inFlight - 1]!;
  const to = starts.at(-1)!;
  const within = (time: number) => Math.min(Math.max(time, from), to);
  // Sums of what each item was in flight in between.
  return (sum(ends.map(within)) - sum(starts.map(within))) / (to - from);
}
