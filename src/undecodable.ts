/** The mark that the payload converter puts in place of a payload that it could not decode. */
const REASON = Symbol.for('agent-jobs.undecodable');

/** @returns a value that JSON cannot express, so that no payload can pretend to be it. */
export function undecodable(reason: string): object {
  return { [REASON]: reason };
}

/** @returns why the value could not be decoded, or undefined where it could. */
export function undecodableReason(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !(REASON in value)) return undefined;
  return String(value[REASON]);
}
