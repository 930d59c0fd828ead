/** Who has how many slots of a pool. */
import type { PoolAsk } from '../pool-message.js';

/** What a pool knows of a job. */
export interface Lease {
  job_id: string;
  /** The last ask that was heard. */
  asked: number;
  size: number;
  wants: number;
  /** Slots that the job may use. */
  slots: number;
  /** Slots that it may still be using: of a grant that was taken back, or one that it has not heard of. */
  held: number;
  /** The last grant. */
  granted: number;
}

/** The slots of a pool: where its jobs do not agree, none has more in flight beside it than it was told. */
export function sizeOf(leases: readonly Lease[]): number {
  return leases.length === 0 ? 0 : Math.min(...leases.map(({ size }) => size));
}

/** Slots that may be in use. */
export function heldOf(leases: readonly Lease[]): number {
  return leases.reduce((sum, { held }) => sum + held, 0);
}

/** Takes in what a job asks. @returns what is known of it then. */
export function hear(ask: PoolAsk, known: Lease | undefined): Lease {
  const { job_id, number, size, wants, slots, holds, granted } = ask;
  if (known !== undefined && number <= known.asked) return known;
  const lease = { job_id, asked: number, size, wants };
  // Of a pool that was ended by hand, the job may have slots that this one does not know of.
  if (known === undefined || granted >= known.granted) {
    return { ...lease, slots, held: Math.max(slots, holds), granted };
  }
  // It had not heard of the last grant, which may be for more.
  return {
    ...lease,
    slots: Math.min(known.slots, wants),
    held: Math.max(holds, known.held),
    granted: known.granted,
  };
}

/**
 * Grants each job its share, as far as there are slots that nobody holds: those with the fewest come first.
 * @returns the leases, those that were granted something else with another number.
 */
export function regrant(leases: readonly Lease[]): Lease[] {
  const size = sizeOf(leases);
  const shares = sharesOf(
    size,
    leases.map(({ wants }) => wants),
  );
  // What is taken back stays held until the job says that it does not use it any more.
  const next = leases.map((lease, n) => ({ ...lease, slots: Math.min(lease.slots, shares[n]!) }));
  for (let free = size - heldOf(next); ;) {
    let poorest: Lease | undefined;
    for (const [n, lease] of next.entries()) {
      const mayHave = lease.slots < shares[n]! && (lease.slots < lease.held || free > 0);
      if (mayHave && (poorest === undefined || lease.slots < poorest.slots)) poorest = lease;
    }
    if (poorest === undefined) break;
    poorest.slots += 1;
    if (poorest.slots > poorest.held) {
      poorest.held += 1;
      free -= 1;
    }
  }
  return next.map((lease, n) => {
    const changed = lease.slots !== leases[n]!.slots;
    return changed ? { ...lease, granted: lease.granted + 1 } : lease;
  });
}

/** Equal shares for all, none of more than it wants; what is left over goes to those who came first. */
export function sharesOf(size: number, wants: readonly number[]): number[] {
  const shares = wants.map(() => 0);
  for (let left = size; left > 0;) {
    const open = [...wants.keys()].filter((n) => shares[n]! < wants[n]!);
    if (open.length === 0) break;
    const each = Math.max(1, Math.floor(left / open.length));
    for (const n of open) {
      const more = Math.min(each, wants[n]! - shares[n]!, left);
      shares[n]! += more;
      left -= more;
    }
  }
  return shares;
}
