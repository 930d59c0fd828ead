import { WHERE_KEYS_COME_FROM } from '../encrypted-payload.js';
import type { Keys } from '../encryption/keys.js';
import { KeyUnknown, SealBroken, sealed, unsealed } from '../encryption/sealed-stream.js';
import { type BlobStore, StoreError } from './blob-store.js';

/**
 * A job store whose values are encrypted; its keys, which name jobs and number rows, are not. Without
 * keys of encryption it writes and reads plain text, and says so of what it cannot read. What was written
 * before there were any is read as it is.
 */
export class EncryptedStore implements BlobStore {
  readonly #inner: BlobStore;
  readonly #keys: Keys | undefined;

  constructor(inner: BlobStore, keys: Keys | undefined) {
    this.#inner = inner;
    this.#keys = keys;
  }

  get location(): string {
    return this.#inner.location;
  }

  get remote(): boolean {
    return this.#inner.remote;
  }

  get encrypts(): boolean {
    return this.#keys !== undefined;
  }

  /** No secret, and the same for workers with keys and without. */
  id(): Promise<string> {
    return this.#inner.id();
  }

  async put(key: string, value: string | Uint8Array): Promise<void> {
    await this.#inner.put(key, await this.#seal(key, value));
  }

  async putStream(key: string, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
    const current = this.#keys?.current;
    await this.#inner.putStream(key, current ? sealed(current, key, chunks) : chunks);
  }

  async putIfAbsent(key: string, value: string | Uint8Array): Promise<boolean> {
    return this.#inner.putIfAbsent(key, await this.#seal(key, value));
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.getBytes(key))?.toString();
  }

  async getBytes(key: string): Promise<Buffer | undefined> {
    const bytes = await this.#inner.getBytes(key);
    return bytes === undefined ? undefined : whole(this.#unseal(key, [bytes]));
  }

  async getStream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const chunks = await this.#inner.getStream(key);
    return chunks === undefined ? undefined : this.#unseal(key, chunks);
  }

  locate(key: string): string {
    return this.#inner.locate(key);
  }

  list(prefix: string): Promise<string[]> {
    return this.#inner.list(prefix);
  }

  async #seal(key: string, value: string | Uint8Array): Promise<string | Uint8Array> {
    const current = this.#keys?.current;
    return current === undefined ? value : whole(sealed(current, key, [value]));
  }

  async *#unseal(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* unsealed(this.#keys, key, chunks);
    } catch (error) {
      const where = `${this.locate(key)} cannot be read`;
      if (error instanceof KeyUnknown) {
        throw new StoreError(
          `${where}: it is encrypted with key "${error.keyId}", which this process does not have: ${WHERE_KEYS_COME_FROM}`,
        );
      }
      if (!(error instanceof SealBroken)) throw error;
      throw new StoreError(
        `${where}: ${error.message} since it was written, or its key is another one than in the key file`,
      );
    }
  }
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
