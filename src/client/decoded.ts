import { undecodableReason } from '../undecodable.js';

/** What the server has cannot be decoded: its key is not there, or it was changed. */
export class Undecodable extends Error {
  override name = 'Undecodable';
}

/** @param what it is, for people. @throws {Undecodable} */
export function decoded<T>(what: string, value: unknown): T {
  const reason = undecodableReason(value);
  if (reason === undefined) return value as T;
  throw new Undecodable(`${what} cannot be read: ${reason}`);
}
