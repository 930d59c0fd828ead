import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { MAX_PATCH_BYTES } from '../job.js';
import { CannotStart } from './agent-process.js';
import { ROW_FILE_VARIABLE } from './environment.js';
import { RUN_FOLDER_PREFIX, type RunNote, type RunNotes } from './leftovers.js';
import { removeTree } from './remove-tree.js';
import type { FixedCommit } from './repository.js';
import { type Workdir, folderBelow } from './workdir.js';
import { Worktree, type WorktreePlace, removeWorktree } from './worktree.js';

/** What a run has on its host while it lasts: a temporary folder with its row, and where its agent works. */
export class Workplace {
  /** The row as JSON. */
  readonly rowFile: string;
  /** The entry of the environment that tells the run's processes from all others. */
  readonly mark: string;
  readonly #folder: string;
  readonly #note: RunNote | undefined;
  #place: WorktreePlace | undefined;
  #worktree: Worktree | undefined;

  /** @param notes where it is noted for the next worker, if that is wanted. */
  static async open(row: object, notes: RunNotes | undefined): Promise<Workplace> {
    const folder = await mkdtemp(join(tmpdir(), RUN_FOLDER_PREFIX));
    try {
      const rowFile = join(folder, 'row.json');
      const mark = `${ROW_FILE_VARIABLE}=${rowFile}`;
      const note = await notes?.begin({ folder, mark });
      await writeFile(rowFile, JSON.stringify(row), { mode: 0o600 });
      return new Workplace({ folder, rowFile, mark, note });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(own: {
    folder: string;
    rowFile: string;
    mark: string;
    note: RunNote | undefined;
  }) {
    this.#folder = own.folder;
    this.rowFile = own.rowFile;
    this.mark = own.mark;
    this.#note = own.note;
  }

  /** Where the run's worktree is, if it gets one. */
  get #tree(): string {
    // The name is in the repository's list of worktrees: no two runs have the same.
    return join(this.#folder, basename(this.#folder));
  }

  /**
   * Makes ready the folder that the agent is to work in.
   * @param workdir undefined for an empty folder of the run's own.
   * @returns the folder.
   * @throws {CannotStart} where the row's folder is not to be had; {@link GitError}.
   */
  async prepare(
    workdir: Workdir | undefined,
    row: Readonly<Record<string, unknown>>,
    from: FixedCommit | undefined,
  ): Promise<string> {
    if (workdir === undefined) {
      const own = join(this.#folder, 'work');
      await mkdir(own, { mode: 0o700 });
      return own;
    }
    const below = workdir.below(row);
    if (from === undefined) {
      return below === undefined ? workdir.folder : folderBelow(workdir.folder, below);
    }
    this.#place = { tree: this.#tree, git_dir: from.git_dir };
    await this.#note?.worktree(this.#place);
    this.#worktree = await Worktree.add(from, this.#tree);
    const folder = join(this.#tree, from.subfolder);
    try {
      return await folderBelow(folder, below ?? '');
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error;
      // The worktree is gone by the time somebody reads this.
      const message = error.message.replaceAll(folder, workdir.folder.replace(/\/$/, ''));
      throw new CannotStart(`${message} (in a worktree of commit ${from.commit.slice(0, 12)})`);
    }
  }

  /** Notes a process group of the run; where that cannot be done, the run goes on. */
  async noteGroup(pid: number): Promise<void> {
    await this.#note?.group(pid).catch(() => {});
  }

  /**
   * What the agent has changed in its worktree.
   * @returns the file of the patch, where something was changed; what of it is left out.
   * @throws {GitError}.
   */
  async patch(): Promise<{ file?: string; problem?: string | undefined }> {
    if (this.#worktree === undefined) return {};
    const file = join(this.#folder, 'changes.patch');
    const { changed, problem } = await this.#worktree.patch(file, MAX_PATCH_BYTES);
    return { problem, ...(changed && { file }) };
  }

  /** Removes all of it; what cannot be removed is left for the next worker of the host. */
  async close(): Promise<void> {
    // Also one that was not made whole.
    if (this.#place !== undefined) await removeWorktree(this.#place);
    await removeTree(this.#folder);
    await this.#note?.remove();
  }
}
