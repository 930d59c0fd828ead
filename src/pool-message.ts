/** What jobs and pools tell each other; anything may arrive. */
import { z } from 'zod';
import { MAX_CONCURRENCY, MAX_POOL_SIZE, jobIdProblem } from './job.js';

const count = z.int().min(0);
const slots = count.max(MAX_POOL_SIZE);

const ask = z.strictObject({
  job_id: z.string().refine((id) => jobIdProblem(id) === undefined),
  /** Numbers the asks of a job: an older one that comes late is not heard. */
  number: count,
  /** The last grant that the job had when it asked. */
  granted: count,
  /** Slots that the pool is to have, as the job was told. */
  size: slots.min(1),
  /** Slots that the job could use. */
  wants: count.max(MAX_CONCURRENCY),
  /** Slots that it will use at most. */
  slots: count.max(MAX_CONCURRENCY),
  /** Slots that it may be using: of a grant that was taken back, some may still be in use. */
  holds: count.max(MAX_CONCURRENCY),
});
const grant = z.strictObject({
  pool: z.string(),
  /** Numbers the grants to a job. */
  number: count,
  /** The last ask that was heard when it was given. */
  asked: count,
  /** Slots that it may use from now on. What it uses beyond is given back as its rows end. */
  slots,
});

/** From a job to a pool. */
export type PoolAsk = z.infer<typeof ask>;
/** From a pool to a job. */
export type PoolGrant = z.infer<typeof grant>;

/** @returns undefined where it is none. */
export function readAsk(messages: unknown[]): PoolAsk | undefined {
  return messages.length === 1 ? ask.safeParse(messages[0]).data : undefined;
}

/** @returns undefined where it is none. */
export function readGrant(messages: unknown[]): PoolGrant | undefined {
  return messages.length === 1 ? grant.safeParse(messages[0]).data : undefined;
}
