import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inherited } from './environment.js';

const TIMEOUT_MS = 600_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** How long another git may hold what this one needs. */
const LOCKED_MS = 30_000;

/** git could not do it; the message is what git says. */
export class GitError extends Error {
  override name = 'GitError';
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode?: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Of a user's settings, those that would run something or change what comes out. */
const OWN_SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.safecrlf=false',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
].flatMap((setting) => ['-c', setting]);

/** The arguments and the environment of a git that runs no hook and is told nothing by GIT_* variables. */
export function gitCommand(args: string[], env: NodeJS.ProcessEnv = {}) {
  return {
    args: [...OWN_SETTINGS, ...args],
    // LC_ALL: what it says about locks is read.
    env: { ...inherited([]), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', ...env },
  };
}

/**
 * Runs git, again where another git holds a lock.
 * @returns what it prints, without the last newline.
 * @throws {GitError}
 */
export async function git(args: string[], cwd: string, own?: NodeJS.ProcessEnv): Promise<string> {
  const { args: argv, env } = gitCommand(args, own);
  const deadline = Date.now() + LOCKED_MS;
  for (let waitMs = 50; ; waitMs *= 2) {
    try {
      const { stdout } = await promisify(execFile)('git', argv, {
        cwd,
        env,
        timeout: TIMEOUT_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
      });
      return stdout.replace(/\n$/, '');
    } catch (error) {
      const said = whatItSays(error as NodeJS.ErrnoException & { stderr?: string });
      if (!LOCKED.test(said) || Date.now() > deadline) {
        const { code } = error as { code?: unknown };
        throw new GitError(said, typeof code === 'number' ? code : undefined);
      }
      await delay(waitMs * (0.5 + Math.random()));
    }
  }
}

const LOCKED = /\.lock'?: File exists|could not lock|cannot lock|unable to lock/i;

function whatItSays({
  code,
  message,
  stderr,
}: NodeJS.ErrnoException & { stderr?: string }): string {
  if (code === 'ENOENT') return 'git was not found, or the folder to run it in is gone';
  const lines = (stderr ?? '').split('\n').filter((line) => line.trim() !== '');
  const reason = lines.find((line) => /^(fatal|error):/.test(line)) ?? lines.at(-1);
  return (reason ?? message).replace(/^(fatal|error): /, '').trim();
}
