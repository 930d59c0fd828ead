/**
 * Where a job store keeps its bytes: keys and whole values, as an object store has them, so that one
 * can take the folder's place.
 */
export interface BlobStore {
  /** What people call it: a path or a URL. */
  readonly location: string;
  /** The store's identity, made when it is first used. */
  id(): Promise<string>;
  /** Writes a value whole or not at all. */
  put(key: string, value: string): Promise<void>;
  /** Writes what a file holds, whole or not at all. */
  putFile(key: string, file: string): Promise<void>;
  /** Writes a value unless the key is taken. @returns whether it was written. */
  putIfAbsent(key: string, value: string): Promise<boolean>;
  /** @returns undefined where the key is not there. */
  get(key: string): Promise<string | undefined>;
  /** Where people find a value: a path or a URL. */
  locate(key: string): string;
  /** Keys directly below a prefix that ends in `/`, sorted; those that end in `/` are prefixes themselves. */
  list(prefix: string): Promise<string[]>;
}
