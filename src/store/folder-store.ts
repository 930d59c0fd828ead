import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readFile,
  readdir,
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

  async put(key: string, value: string): Promise<void> {
    const temporary = await this.#writeTemporary(key, (file) => file.writeFile(value));
    await rename(temporary, this.#path(key));
  }

  async putFile(key: string, from: string): Promise<void> {
    const temporary = await this.#writeTemporary(key, (file) =>
      writeFile(file, createReadStream(from)),
    );
    await rename(temporary, this.#path(key));
  }

  async putIfAbsent(key: string, value: string): Promise<boolean> {
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
    try {
      return await readFile(this.#path(key), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  locate(key: string): string {
    return resolve(this.#path(key));
  }

  async list(prefix: string): Promise<string[]> {
    try {
      const entries = await readdir(this.#path(prefix), { withFileTypes: true });
      return entries
        .filter(({ name }) => !name.startsWith(TEMPORARY))
        .map((entry) => prefix + entry.name + (entry.isDirectory() ? '/' : ''))
        .toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
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
