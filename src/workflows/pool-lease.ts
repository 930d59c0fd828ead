import type { PoolAsk, PoolGrant } from '../pool-message.js';

/** What a job has of its pool; carried along when it continues as new. */
export interface PoolLease {
  /** Slots that it may use. */
  slots: number;
  /** The last grant. */
  granted: number;
  /** The last ask. */
  asked: number;
  /** What it said then, and may have been granted since. */
  told: Pick<PoolAsk, 'wants' | 'holds'>;
  /** Whether that is what the pool goes by. */
  sure: boolean;
}

/** The lease of a job that its pool does not know. */
export function newLease(): PoolLease {
  return { slots: 0, granted: 0, asked: 0, told: { wants: 0, holds: 0 }, sure: true };
}

/**
 * What the pool is to be told; undefined where it knows.
 * @param wants slots that the job could use. @param running slots that it uses.
 */
export function nextAsk(
  lease: PoolLease,
  wants: number,
  running: number,
): Omit<PoolAsk, 'job_id' | 'size'> | undefined {
  lease.slots = Math.min(lease.slots, wants);
  const holds = Math.max(lease.slots, running);
  const { told, sure } = lease;
  if (sure && told.wants === wants && told.holds === holds) return undefined;
  lease.told = { wants, holds };
  lease.sure = false;
  lease.asked += 1;
  const { asked: number, granted, slots } = lease;
  return { number, granted, wants, slots, holds };
}

/** The server has the ask that said so. */
export function askSent(lease: PoolLease, ask: Pick<PoolAsk, 'granted'>): void {
  // Whether it was heard before a grant that has come meanwhile, the grant says.
  if (lease.granted === ask.granted) lease.sure = true;
}

/** @returns whether anything has changed. */
export function take(lease: PoolLease, grant: PoolGrant): boolean {
  if (grant.number <= lease.granted) return false;
  // A pool does not believe what a job says that does not know of its last grant; and counts all it has granted.
  lease.sure = grant.asked === lease.asked && grant.number === lease.granted + 1;
  lease.granted = grant.number;
  lease.slots = grant.slots;
  lease.told.holds = Math.max(lease.told.holds, grant.slots);
  return true;
}
