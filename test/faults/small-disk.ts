/** A disk of its own that can be filled up and emptied (Linux, root). */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHUNKS = [1024 * 1024, 4096];

function mount(folder: string, mebibytes: number): void {
  const command = ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', folder];
  execFileSync('mount', command, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
}

export class SmallDisk {
  readonly #folder: string;
  readonly #filler: string;

  /** Why there can be none here; false where there can. */
  static get unavailable(): string | false {
    if (process.platform !== 'linux') return 'a disk of its own is mounted on Linux only';
    if (process.getuid!() !== 0) return 'not root, as it takes to mount a disk';
    const probe = mkdtempSync(join(tmpdir(), 'agent-jobs-probe-'));
    try {
      mount(probe, 1);
      unmount(probe);
      return false;
    } catch (error) {
      return `no disk can be mounted here: ${(error as Error).message.trim()}`;
    } finally {
      rmdirSync(probe);
    }
  }

  /** Has a folder be a disk of its own. */
  static async at(folder: string, mebibytes: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    mount(folder, mebibytes);
    return new SmallDisk(folder);
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.#filler = join(folder, 'filler');
  }

  /** Takes what space there is, also what has become free since the last call. */
  fill(): void {
    const filler = openSync(this.#filler, 'a');
    try {
      for (const size of CHUNKS) {
        const chunk = Buffer.alloc(size);
        try {
          for (;;) writeSync(filler, chunk);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
      }
    } finally {
      closeSync(filler);
    }
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    unmount(this.#folder);
  }
}
