/**
 * Where a job store keeps its bytes: keys and whole values. The same contract holds for a folder and for
 * an object store.
 */
export interface BlobStore {
  /** What people call it: a path or a URL. */
  readonly location: string;
  /**
   * Whether it is the only thing that hosts have in common: then a caller's paths mean nothing to a
   * worker, and files go by way of the store.
   */
  readonly remote: boolean;
  /** Whether what it writes is encrypted. */
  readonly encrypts: boolean;
  /** The store's identity, made when it is first used. */
  id(): Promise<string>;
  /** Writes a value whole or not at all. */
  put(key: string, value: string | Uint8Array): Promise<void>;
  /** Writes what comes, whole or not at all, without holding it. */
  putStream(key: string, chunks: AsyncIterable<string | Uint8Array>): Promise<void>;
  /** Writes a value unless the key is taken. @returns whether it was written. */
  putIfAbsent(key: string, value: string | Uint8Array): Promise<boolean>;
  /** @returns undefined where the key is not there. */
  get(key: string): Promise<string | undefined>;
  /** The same as bytes. */
  getBytes(key: string): Promise<Buffer | undefined>;
  /** A value, as it is read, without holding it. @returns undefined where the key is not there. */
  getStream(key: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Where people find a value: a path or a URL. */
  locate(key: string): string;
  /**
   * Keys that begin with a prefix, up to the next `/` after it, sorted: those that end in `/` are
   * prefixes themselves. A prefix may end within a name.
   */
  list(prefix: string): Promise<string[]>;
}

/** The store cannot be used as things are: the message says what to do about it. */
export class StoreError extends Error {
  override name = 'StoreError';
}
