import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { copyFile, lstat, mkdir, readFile, readdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GitError, git, gitCommand } from './git.js';
import { removeTree } from './remove-tree.js';
import type { FixedCommit } from './repository.js';

/** A worktree, as it can be found again by whoever has to remove it. */
export interface WorktreePlace {
  /** The worktree itself. */
  tree: string;
  /** Its repository. */
  git_dir: string;
}

/** A checked-out copy of a repository for one run. */
export class Worktree {
  readonly tree: string;
  readonly #from: FixedCommit;
  /** Beside the tree: what the run needs of git that its agent has no hand in. */
  readonly #own: string;

  /**
   * Checks the commit out.
   * @param tree a folder that is not there yet, of a name that no other run's has: git names what it
   *   keeps of a worktree after it.
   * @throws {GitError}
   */
  static async add(from: FixedCommit, tree: string): Promise<Worktree> {
    const worktree = new Worktree(from, tree);
    // The part that takes the repository's locks is short; files are written side by side.
    await oneAtATime(from.git_dir, () =>
      git(['worktree', 'add', '--detach', '--no-checkout', tree, from.commit], from.git_dir),
    );
    await git(['reset', '--quiet', '--hard', '--no-recurse-submodules'], tree);
    await worktree.#keepIndex();
    return worktree;
  }

  private constructor(from: FixedCommit, tree: string) {
    this.tree = tree;
    this.#from = from;
    this.#own = `${tree}.git`;
  }

  /**
   * Writes what differs from the commit, whatever the agent has committed, staged or left: files that
   * the repository ignores are left out, other repositories within are named by their commits.
   *
   * It goes by an index and objects of its own: the agent may have left its index locked or in the
   * middle of a merge, and the repository is not to keep what nobody has committed.
   * @returns whether there is a difference, and what of it is left out.
   * @throws {GitError} also where it is larger than that.
   */
  async patch(file: string, maxBytes: number): Promise<Changes> {
    const { git_dir, commit } = this.#from;
    const within = [`--git-dir=${git_dir}`, `--work-tree=${this.tree}`];
    const env = {
      GIT_INDEX_FILE: this.#index,
      GIT_OBJECT_DIRECTORY: this.#objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: join(git_dir, 'objects'),
    };
    const problem = await this.#stageAll(within, env);
    const { args, env: whole } = gitCommand([...within, 'diff-index', ...DIFF, commit], env);
    const diff = spawn('git', args, {
      cwd: this.tree,
      env: whole,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const closed = once(diff, 'close');
    const bytes = await writeUpTo(diff, file, maxBytes);
    const [code] = (await closed) as [number | null];
    if (code !== 0)
      throw new GitError(`the changes could not be told: git ended with code ${code}`);
    return { changed: bytes > 0, problem };
  }

  /** @returns what could not be taken: a file that cannot be read, a repository within that has no commit. */
  async #stageAll(within: string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
    try {
      await git([...within, 'add', '--all', '--ignore-errors', '.'], this.tree, env);
      return undefined;
    } catch (error) {
      if (error instanceof GitError && error.exitCode === 1) return error.message;
      throw error;
    }
  }

  get #index(): string {
    return join(this.#own, 'index');
  }

  get #objects(): string {
    return join(this.#own, 'objects');
  }

  /** With the index, git knows which files it need not read again. */
  async #keepIndex(): Promise<void> {
    await mkdir(this.#objects, { recursive: true });
    const path = ['rev-parse', '--path-format=absolute', '--git-path', 'index'];
    const index = await git(path, this.tree);
    await copyFile(index, this.#index);
    // Files that were written after it are looked at: so it must not become younger.
    const { atime, mtime } = await stat(index);
    await utimes(this.#index, atime, mtime);
  }
}

/** What a patch says, and what it does not. */
interface Changes {
  changed: boolean;
  problem: string | undefined;
}

/** Whatever a user's settings for people are, `git apply` takes what this writes. */
const DIFF = [
  '--cached',
  '--patch',
  '--binary',
  '--full-index',
  '--find-renames',
  '--no-ext-diff',
  '--no-textconv',
  '--no-color',
  '--submodule=short',
  '--src-prefix=a/',
  '--dst-prefix=b/',
];

async function writeUpTo(diff: ChildProcess, file: string, maxBytes: number): Promise<number> {
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      done(bytes > maxBytes ? new GitError(`it is larger than ${maxBytes} bytes`) : null, chunk);
    },
  });
  try {
    await pipeline(diff.stdout!, count, createWriteStream(file, { mode: 0o600 }));
  } catch (error) {
    diff.kill('SIGKILL');
    throw error;
  }
  return bytes;
}

/**
 * Removes a worktree, whatever its agent has made of it, and what its repository keeps of it. Others
 * that are stale are left to their owner.
 */
export async function removeWorktree({ tree, git_dir }: WorktreePlace): Promise<void> {
  await oneAtATime(git_dir, async () => {
    // Twice: also where the agent has locked it.
    await git(['worktree', 'remove', '--force', '--force', tree], git_dir).catch(() => {});
    if (await isThere(tree)) await removeTree(tree);
    await removeEntry(git_dir, tree);
  });
  await removeTree(`${tree}.git`);
}

/** Where git itself could not, or its worker ended in the middle: as `git worktree prune` does it. */
async function removeEntry(git_dir: string, tree: string): Promise<void> {
  const entries = join(git_dir, 'worktrees');
  for (const name of await readdir(entries).catch(() => [])) {
    const link = await readFile(join(entries, name, 'gitdir'), 'utf8').catch(() => '');
    if (dirname(link.trim()) === tree) await removeTree(join(entries, name));
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

const last = new Map<string, Promise<unknown>>();

/** What changes the list of a repository's worktrees waits for what does so already. */
async function oneAtATime<T>(git_dir: string, task: () => Promise<T>): Promise<T> {
  const before = last.get(git_dir);
  const own = (before ?? Promise.resolve()).then(task, task);
  last.set(git_dir, own);
  try {
    return await own;
  } finally {
    if (last.get(git_dir) === own) last.delete(git_dir);
  }
}
