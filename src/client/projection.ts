import type { Client } from '@temporalio/client';
import { type Usage, ended, tokensOf } from '../job.js';
import { items } from '../known-outcomes.js';
import { NO_RATE, msPerRow } from '../rate.js';
import type { JobStatus } from './job-status.js';

/** What the rows that are left would take, if they were as those that have ended. */
export interface Projection {
  /** Rows that have ended in this job, from which it is told. */
  rows: number;
  /** Rows that it has yet to run, or to end. */
  rows_left: number;
  /** Those of `rows`, on average. */
  seconds_per_row: number | null;
  tokens_per_row: number | null;
  cost_usd_per_row: number | null;
  /**
   * Until the end, with as many rows at once as the job has, at its rate. Longer where its workers have not the room,
   * where a pool or limits by value leave less, and where agents meet a quota.
   */
  seconds_left: number | null;
  /** Of the job as a whole, what was spent included. */
  tokens: number | null;
  cost_usd: number | null;
}

/** @param status of a job that may still run. */
export async function projection(client: Client, status: JobStatus): Promise<Projection> {
  const { kept } = status;
  const rows = ended(status) - (kept === undefined ? 0 : ended(kept));
  const left = status.total - ended(status) - (kept?.pending ?? 0);
  let seconds = 0;
  let timed = 0;
  for await (const { startTime, closeTime } of items(client, status.job_id, `!= 'Running'`)) {
    if (closeTime === undefined) continue;
    seconds += (closeTime.getTime() - startTime.getTime()) / 1000;
    timed += 1;
  }
  const perRow = timed === 0 ? null : seconds / timed;
  const atOnce = Math.max(1, Math.min(status.max_concurrency ?? 1, left));
  const of = (sum: number | null) => (sum === null || rows === 0 ? null : sum / rows);
  const whole = (each: number | null) => (each === null ? null : each * (rows + left));
  const atRate = (left * msPerRowOf(status)) / 1000;
  const tokens = of(status.usage && tokensOf(status.usage));
  const cost = of((status.usage as Usage | null)?.cost_usd ?? null);
  return {
    rows,
    rows_left: left,
    seconds_per_row: perRow,
    tokens_per_row: tokens,
    cost_usd_per_row: cost,
    seconds_left: perRow === null ? null : Math.max((perRow * left) / atOnce, atRate),
    tokens: whole(tokens),
    cost_usd: whole(cost),
  };
}

function msPerRowOf({ settings }: JobStatus): number {
  const rate = settings?.rate ?? NO_RATE;
  return rate === NO_RATE ? 0 : msPerRow(rate);
}
