import { randomUUID } from 'node:crypto';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  opendir,
  readFile,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { BlobStore } from './blob-store.js';

const ID_KEY = 'store-id';

/** A job store in a folder: a key is a path below it. */
export class FolderStore implements BlobStore {
  readonly location: string;
  readonly remote = false;
  readonly encrypts = false;
  #id: string | undefined;

  constructor(folder: string) {
    this.location = folder;
  }

  async id(): Promise<string> {
    if (this.#id === undefined) {
      await this.putIfAbsent(ID_KEY, randomUUID());
      this.#id = await this.get(ID_KEY);
    }
    return this.#id!;
  }

  async put(key: string, value: string | Uint8Array): Promise<void> {
    const temporary = await this.#writeTemporary(key, (file) => file.writeFile(value));
    await rename(temporary, this.#path(key));
  }

  async putStream(key: string, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
    const temporary = await this.#writeTemporary(key, (file) => writeFile(file, chunks));
    await rename(temporary, this.#path(key));
  }

  async putIfAbsent(key: string, value: string | Uint8Array): Promise<boolean> {
    const temporary = await this.#writeTemporary(key, (file) => file.writeFile(value));
    try {
      // Unlike a rename, a link fails where the name is taken.
      await link(temporary, this.#path(key));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await unlink(temporary);
    }
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.getBytes(key))?.toString();
  }

  async getBytes(key: string): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#path(key));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async getStream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    try {
      const file = await open(this.#path(key));
      return file.createReadStream() as AsyncIterable<Buffer>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  locate(key: string): string {
    return resolve(this.#path(key));
  }

  async list(prefix: string): Promise<string[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const start = prefix.slice(folder.length);
    const keys: string[] = [];
    try {
      // Not read at once: the folder of a large job's logs has a file for each run.
      for await (const entry of await opendir(this.#path(folder))) {
        const { name } = entry;
        if (!name.startsWith(start) || name.startsWith(TEMPORARY)) continue;
        keys.push(folder + name + (entry.isDirectory() ? '/' : ''));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return keys.toSorted();
  }

  #path(key: string): string {
    return join(this.location, key);
  }

  async #writeTemporary(key: string, write: (file: FileHandle) => Promise<void>): Promise<string> {
    const folder = dirname(this.#path(key));
    // Rows and results may be confidential: for this user only.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${TEMPORARY}${randomUUID()}`);
    const file = await open(path, 'wx', 0o600);
    try {
      await write(file);
      await file.sync();
    } catch (error) {
      await unlink(path);
      throw error;
    } finally {
      await file.close();
    }
    return path;
  }
}

const TEMPORARY = '.tmp-';
