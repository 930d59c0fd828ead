/** The program as it was before the last change of what workflows run, built beside the sources. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './site.js';

/** What the workflows' bundle is made of, as far as it is ours. */
const WORKFLOW_SOURCES = ['src/workflows', ':(glob)src/*.ts'];

/** A commit, or why there is none. */
type Previous = { commit: string } | { unavailable: string };

/** The commit before the last change of workflow code; the last one, where there are changes since. */
export function previousCommit(): Previous {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  try {
    if (git('status', '--porcelain', '--', ...WORKFLOW_SOURCES) !== '') {
      return { commit: git('rev-parse', 'HEAD') };
    }
    // A merge counts as one change: what it merged may not even build alone.
    const last = git('log', '-1', '--first-parent', '--format=%H %P', '--', ...WORKFLOW_SOURCES);
    const [, parent] = last.split(' ');
    if (parent !== undefined) return { commit: parent };
    return git('rev-parse', '--is-shallow-repository') === 'true'
      ? { unavailable: 'the checkout is shallow: git fetch --unshallow brings the commit before' }
      : { unavailable: 'no commit is before the one that brought the workflows' };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    return { unavailable: `not a git checkout: ${stderr?.trim() ?? String(error)}` };
  }
}

/**
 * Builds a commit's sources in a folder.
 * @returns its command line; or why it cannot be built with what is installed here.
 */
export function buildOf(
  commit: string,
  folder: string,
): { main: string } | { unavailable: string } {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync('git', ['archive', commit], { cwd: ROOT, maxBuffer: 2 ** 28 });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: 'pipe' });
  } catch (error) {
    if (dependencies(folder) === dependencies(ROOT)) throw error;
    return { unavailable: `${commit} has other dependencies, and does not build with these` };
  }
  return { main: join(folder, 'dist/cli/main.js') };
}

function dependencies(folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  const { dependencies, devDependencies } = JSON.parse(text) as Record<string, unknown>;
  return JSON.stringify([dependencies, devDependencies]);
}
