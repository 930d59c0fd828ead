/**
 * The keys that a process has: those of payloads in Temporal and of values in the job store.
 *
 * A key file has a line for each: `id = key`, the key being 32 bytes in base64 or hex. The first one
 * encrypts, all decrypt. Lines that begin with `#` are comments.
 */
import { type KeyObject, createSecretKey } from 'node:crypto';

const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9._-]{1,64}$/;

/** A line of a key file cannot be used. The message has no part of a key. */
export class KeyFileError extends Error {
  override name = 'KeyFileError';
}

export interface Key {
  /** Stands beside what is encrypted, for everybody to read. */
  id: string;
  secret: KeyObject;
}

export class Keys {
  /** What is written is encrypted with it. */
  readonly current: Key;
  readonly #byId: ReadonlyMap<string, Key>;

  /** @param keys the first one encrypts; IDs are unique. */
  constructor(keys: [Key, ...Key[]]) {
    this.current = keys[0];
    this.#byId = new Map(keys.map((key) => [key.id, key]));
  }

  find(id: string): Key | undefined {
    return this.#byId.get(id);
  }
}

/** @throws {KeyFileError} naming the line. */
export function parseKeys(text: string): Keys {
  const keys: Key[] = [];
  for (const [index, content] of text.split(/\r?\n/).entries()) {
    const line = content.trim();
    if (line === '' || line.startsWith('#')) continue;
    const key = parseLine(line, `line ${index + 1}`);
    if (keys.some(({ id }) => id === key.id)) {
      throw new KeyFileError(`line ${index + 1}: there is another key "${key.id}" before it`);
    }
    keys.push(key);
  }
  const [first, ...others] = keys;
  if (first === undefined) throw new KeyFileError('has no key');
  return new Keys([first, ...others]);
}

function parseLine(line: string, where: string): Key {
  const equals = line.indexOf('=');
  if (equals === -1) throw new KeyFileError(`${where}: must be ID = KEY`);
  const id = line.slice(0, equals).trim();
  if (!ID.test(id)) {
    throw new KeyFileError(`${where}: an ID is 1 to 64 characters of A-Z a-z 0-9 . _ -`);
  }
  const bytes = parseKey(line.slice(equals + 1).trim());
  if (bytes?.length !== KEY_BYTES) {
    throw new KeyFileError(
      `${where}: the key "${id}" must be ${KEY_BYTES} bytes in base64 or hex, as "openssl rand -base64 ${KEY_BYTES}" prints them`,
    );
  }
  return { id, secret: createSecretKey(bytes) };
}

function parseKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  // Buffer.from passes over what is no base64.
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
