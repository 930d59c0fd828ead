/** The mark that the payload converter puts in place of a payload that it could not decode. */
const REASON = Symbol.for('agent-jobs.undecodable');
/** Beside it where another process could decode it. */
const LACKS_KEY = Symbol.for('agent-jobs.lacks-key');

/** @returns a value that JSON cannot express, so that no payload can pretend to be it. */
export function undecodable(reason: string, options: { lacksKey?: boolean } = {}): object {
  return { [REASON]: reason, ...(options.lacksKey === true && { [LACKS_KEY]: true }) };
}

/** @returns why the value could not be decoded, or undefined where it could. */
export function undecodableReason(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !(REASON in value)) return undefined;
  return String(value[REASON]);
}

/** @returns the reason where the value could not be decoded here, and can be by whoever has its key. */
export function lackedKey(value: unknown): string | undefined {
  const reason = undecodableReason(value);
  return reason !== undefined && LACKS_KEY in (value as object) ? reason : undefined;
}
