import { lackedKey, undecodableReason } from '../undecodable.js';

/**
 * Fails the workflow task where something can be decoded only by a worker that has its key: the server gives
 * the task to another one, and the workflow waits until there is one. Nothing is decided without it.
 */
export function requireKey(...values: unknown[]): void {
  const reason = values.map(lackedKey).find((each) => each !== undefined);
  if (reason !== undefined) throw new Error(`this worker cannot work on this: ${reason}`);
}

/** @returns why a value that somebody has given back cannot be used. @throws as {@link requireKey}. */
export function whyUnusable(value: unknown): string | undefined {
  requireKey(value);
  return undecodableReason(value);
}
