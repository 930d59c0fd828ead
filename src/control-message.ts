/** Reads what operators ask of a job that runs; anything may arrive. */
import { type ControlAnswer, type SettingsChange, clip } from './job.js';
import { REQUEST_REFUSED_FAILURE } from './messages.js';
import { SpecError, parseChange } from './spec.js';
import { undecodableReason } from './undecodable.js';

/** A request that cannot be read, or not be granted any more. It leaves nothing in the job's history. */
export class RequestRefused extends Error {
  override name = REQUEST_REFUSED_FAILURE;
}

/** @throws {RequestRefused} naming each setting that is unknown or out of range. */
export function readChange(messages: unknown[]): SettingsChange {
  try {
    return parseChange(only(messages));
  } catch (error) {
    if (error instanceof SpecError) throw new RequestRefused(clip(error.problems.join('; ')));
    throw error;
  }
}

/** The ID of the item that a request is about. @throws {RequestRefused} */
export function readItemId(messages: unknown[]): string {
  const itemId = (only(messages) as { item_id?: unknown } | null | undefined)?.item_id;
  if (typeof itemId === 'string' && itemId !== '') return itemId;
  throw new RequestRefused('item_id: names the item, as {"item_id": "T-17"}');
}

/** The reason in a `stop` or a `pause`, which need not have one. */
export function readReason(messages: unknown[], otherwise: string): string {
  const reason = (messages[0] as { reason?: unknown } | null | undefined)?.reason;
  return typeof reason === 'string' && reason !== '' ? clip(reason, 200) : otherwise;
}

export function refused(message: string, path = ''): ControlAnswer {
  return { accepted: false, errors: [{ path, message }] };
}

function only(messages: unknown[]): unknown {
  if (messages.length !== 1) {
    throw new RequestRefused(`one argument is taken, ${messages.length} came`);
  }
  const unreadable = undecodableReason(messages[0]);
  if (unreadable === undefined) return messages[0];
  throw new RequestRefused(`could not be decoded: ${unreadable}`);
}
