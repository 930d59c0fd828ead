/**
 * Values of any size, encrypted piece by piece: whoever reads one holds a piece at a time, and is told
 * where a piece was changed, left out or moved, or the end cut off.
 *
 * A value is a line that names the key, 32 random bytes, and the pieces: 64 KiB of it each (the
 * last one less), encrypted with AES-256-GCM, with the tag behind. The key of a value is derived
 * (HKDF-SHA-256) from the named one, the random bytes and the value's name, so that its nonces can be the
 * numbers of its pieces, and so that no value passes for another. The nonce of the last piece says that it is.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Key, Keys } from './keys.js';

const CIPHER = 'aes-256-gcm';
/** No text begins with this byte, so that no agent's output passes for an encrypted value. */
const HEAD = Buffer.concat([Buffer.of(0xff), Buffer.from('agent-jobs encrypted 1 ')]);
const MAX_HEAD_LINE = HEAD.length + 65;
const SALT_BYTES = 32;
const TAG_BYTES = 16;
export const PIECE_BYTES = 64 * 1024;

/** What is read is not what was written. */
export class SealBroken extends Error {
  override name = 'SealBroken';
}

/** The key that a value names is not there. */
export class KeyUnknown extends Error {
  override name = 'KeyUnknown';
  readonly keyId: string;

  constructor(keyId: string) {
    super(`key "${keyId}" is not known`);
    this.keyId = keyId;
  }
}

/** @param name of the value, which {@link unsealed} has to be given again. */
export async function* sealed(
  key: Key,
  name: string,
  chunks: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(SALT_BYTES);
  yield Buffer.concat([HEAD, Buffer.from(`${key.id}\n`), salt]);
  const secret = valueKey(key, salt, name);
  let number = 0;
  const seal = (piece: Uint8Array, last: boolean) => {
    const cipher = createCipheriv(CIPHER, secret, nonce(number++, last));
    return Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  };
  const pieces = new Pieces(PIECE_BYTES);
  for await (const chunk of chunks) {
    for (const piece of pieces.add(bytesOf(chunk))) yield seal(piece, false);
  }
  yield seal(pieces.rest(), true);
}

/**
 * What {@link sealed} was given. What was not sealed is read as it is.
 * @throws {KeyUnknown}; {@link SealBroken}, perhaps after a part of the value.
 */
export async function* unsealed(
  keys: Keys | undefined,
  name: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0);
  let unseal: ((piece: Uint8Array, last: boolean) => Uint8Array) | undefined;
  const pieces = new Pieces(PIECE_BYTES + TAG_BYTES);
  let plain = false;
  for await (const chunk of chunks) {
    let bytes = bytesOf(chunk);
    if (plain) {
      yield bytes;
      continue;
    }
    if (unseal === undefined) {
      head = Buffer.concat([head, bytes]);
      if (!startsAlike(head)) {
        plain = true;
        yield head;
        continue;
      }
      const begun = begin(keys, name, head);
      if (begun === undefined) continue;
      unseal = begun.unseal;
      bytes = begun.rest;
    }
    for (const piece of pieces.add(bytes)) yield unseal(piece, false);
  }
  if (plain) return;
  if (unseal !== undefined) yield unseal(pieces.rest(), true);
  // A short text that only begins in the same way.
  else if (head.length < HEAD.length) yield head;
  else throw new SealBroken('its end is missing');
}

/** Whether a value is, or may turn out to be, a sealed one. */
function startsAlike(head: Buffer): boolean {
  const length = Math.min(head.length, HEAD.length);
  return head.subarray(0, length).equals(HEAD.subarray(0, length));
}

/** @returns undefined where more is needed. */
function begin(keys: Keys | undefined, name: string, head: Buffer) {
  const line = head.indexOf('\n');
  if (line === -1 && head.length > MAX_HEAD_LINE) throw new SealBroken('its first line is broken');
  if (line === -1 || head.length < line + 1 + SALT_BYTES) return undefined;
  const keyId = head.toString('latin1', HEAD.length, line);
  const key = keys?.find(keyId);
  if (key === undefined) throw new KeyUnknown(keyId);
  const start = line + 1 + SALT_BYTES;
  const secret = valueKey(key, head.subarray(line + 1, start), name);
  let number = 0;
  const unseal = (piece: Uint8Array, last: boolean) => {
    if (piece.length < TAG_BYTES) throw new SealBroken('its end is missing');
    const decipher = createDecipheriv(CIPHER, secret, nonce(number++, last));
    decipher.setAuthTag(piece.subarray(-TAG_BYTES));
    const text = decipher.update(piece.subarray(0, -TAG_BYTES));
    try {
      return Buffer.concat([text, decipher.final()]);
    } catch {
      throw new SealBroken('it was changed or cut off');
    }
  };
  return { unseal, rest: head.subarray(start) };
}

function valueKey({ secret }: Key, salt: Uint8Array, name: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, `agent-jobs store ${name}`, 32));
}

function nonce(number: number, last: boolean): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUIntBE(number, 5, 6);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

function bytesOf(chunk: string | Uint8Array): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Cuts what comes into pieces of one size, and keeps what may be the last one. */
class Pieces {
  readonly #size: number;
  #held: Buffer[] = [];
  #length = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** @returns pieces that are not the last. */
  *add(bytes: Buffer): Generator<Uint8Array> {
    this.#held.push(bytes);
    this.#length += bytes.length;
    if (this.#length <= this.#size) return;
    const all = this.rest();
    let from = 0;
    for (; all.length - from > this.#size; from += this.#size) {
      yield all.subarray(from, from + this.#size);
    }
    const left = all.subarray(from);
    this.#held = [left];
    this.#length = left.length;
  }

  rest(): Buffer {
    return this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
  }
}
