/** Git repositories to be worked on. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Runs git as a user of no settings. @returns what it prints. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const settings = ['user.name=Test', 'user.email=test@example.org', 'init.defaultBranch=main'];
  const { stdout } = await promisify(execFile)(
    'git',
    [...settings.flatMap((setting) => ['-c', setting]), ...args],
    { cwd, maxBuffer: 1e8 },
  );
  return stdout.trimEnd();
}

/** Makes a repository with one commit of these files. @returns its folder. */
export async function repository(folder: string, files: Record<string, string>): Promise<string> {
  await mkdir(folder, { recursive: true });
  await git(folder, 'init', '--quiet');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  await git(folder, 'add', '--all');
  await git(folder, 'commit', '--quiet', '--message', 'first');
  return folder;
}

/** The branches and worktrees, and what is changed: what a job is not to touch. */
export async function stateOf(folder: string): Promise<string[]> {
  return [
    await git(folder, 'worktree', 'list', '--porcelain'),
    await git(folder, 'for-each-ref'),
    await git(folder, 'status', '--porcelain'),
  ];
}
