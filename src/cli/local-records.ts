import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateFolder } from '../config.js';

/** Where `--local` keeps what it has started: records, logs, and a database where it has to. */
export function localFolder(): string {
  return join(stateFolder(), 'local');
}

/** @returns the folder, made where it was not there; for this user only. */
export async function makeLocalFolder(): Promise<string> {
  const folder = localFolder();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export async function saveRecord(name: string, record: object): Promise<void> {
  await writeFile(join(await makeLocalFolder(), `${name}.json`), JSON.stringify(record, null, 2));
}

export async function removeRecord(name: string): Promise<void> {
  await rm(join(localFolder(), `${name}.json`), { force: true });
}

/** The records whose names begin so, by name. */
export async function records<T>(prefix: string): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  for (const file of await readdir(localFolder()).catch(() => [])) {
    const name = file.replace(/\.json$/, '');
    if (name === file || !name.startsWith(prefix)) continue;
    try {
      found.set(name, JSON.parse(await readFile(join(localFolder(), file), 'utf8')) as T);
    } catch {
      // Removed meanwhile, or half written when the machine went down.
    }
  }
  return found;
}
