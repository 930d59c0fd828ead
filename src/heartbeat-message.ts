/** Reads the `heartbeat_agent_job_item` message; anything may arrive. */
import { undecodableReason } from './undecodable.js';

/**
 * Whether the arguments of the signal are a heartbeat of this run. None is one, and so is an object whose IDs
 * and run, where it has them, match; what else it has is not looked at. All other things are ignored: a
 * heartbeat that is missing shows by itself.
 */
export function isHeartbeat(
  messages: unknown[],
  expected: { job_id: string; item_id: string; run: number },
): boolean {
  const [message, ...others] = messages;
  if (others.length > 0) return false;
  if (message === undefined || message === null) return true;
  if (typeof message !== 'object' || Array.isArray(message) || ArrayBuffer.isView(message)) {
    return false;
  }
  if (undecodableReason(message) !== undefined) return false;
  const given = message as { [key: string]: unknown };
  return (['job_id', 'item_id', 'run'] as const).every(
    (key) => given[key] === undefined || given[key] === expected[key],
  );
}
