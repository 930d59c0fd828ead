import { realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { GitError, git } from './git.js';

/** A commit of a git repository from which every row of a job starts. */
export interface FixedCommit {
  /** The repository's own folder, shared by all its worktrees. */
  git_dir: string;
  /** Full object ID. */
  commit: string;
  /** Where the working directory lies within the repository; empty at its top. */
  subfolder: string;
}

/**
 * Fixes the commit that is checked out where a folder is.
 * @throws {GitError} where there is no repository, no commit, or no such folder in the commit.
 */
export async function fixedCommit(folder: string): Promise<FixedCommit> {
  let physical: string;
  try {
    physical = await realpath(folder);
  } catch {
    throw new GitError(`the folder ${folder} is not there`);
  }
  const ask = (...args: string[]) => git(args, physical);
  const top = await ask('rev-parse', '--show-toplevel');
  const git_dir = await ask('rev-parse', '--path-format=absolute', '--git-common-dir');
  let commit: string;
  try {
    commit = await ask('rev-parse', '--verify', '--quiet', 'HEAD^{commit}');
  } catch {
    throw new GitError(`the repository ${top} has no commit yet`);
  }
  const subfolder = relative(top, physical);
  if (subfolder !== '') {
    try {
      await ask('rev-parse', '--verify', '--quiet', `${commit}:${subfolder}`);
    } catch {
      throw new GitError(
        `the folder ${subfolder} of the repository ${top} is not in its commit ${commit.slice(0, 12)}`,
      );
    }
  }
  return { git_dir, commit, subfolder };
}
