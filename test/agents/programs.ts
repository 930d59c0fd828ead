/**
 * The real programs that the tests of agents run: Codex and Claude Code, from npm. They are large,
 * so that they are installed once per machine, outside the tree.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The versions that the tests know. Another version is another folder. */
export const CODEX = '0.169.0';
const CLAUDE = '2.1.197';
/** The last one with a fan-out of its own, `spawn_agents_on_csv`. */
export const FAN_OUT_CODEX = '0.144.6';

/** Longer than any download of them takes: an older lock is of a process that was killed. */
const INSTALL_MS = 10 * 60_000;

export interface Programs {
  codex: string;
  claude: string;
}

async function installPackages(folder: string, packages: string[]): Promise<void> {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // Each brings the binary of this platform as an optional dependency, left out if npm is set so.
  await run('npm', ['install', '--prefix', folder, '--include=optional', ...quiet, ...packages]);
}

async function installPrograms(folder: string): Promise<void> {
  const packages = [`@openai/codex@${CODEX}`, `@anthropic-ai/claude-code@${CLAUDE}`];
  await installPackages(folder, packages);
  // npm may be set to run no scripts; this one puts the binary in its place.
  await run(process.execPath, ['install.cjs'], {
    cwd: join(folder, 'node_modules/@anthropic-ai/claude-code'),
  });
}

/**
 * Installs into a folder of this name, unless another process has or does.
 * @returns where the executables are.
 */
async function installOnce(
  name: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(cache, 'agent-jobs-test/agents', name);
  const lock = `${folder}.lock`;
  await mkdir(join(folder, '..'), { recursive: true });
  const deadline = Date.now() + INSTALL_MS;
  while (!existsSync(folder)) {
    // A folder is made by one process alone.
    const mine = await mkdir(lock).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return false;
      },
    );
    if (!mine) {
      if (Date.now() > deadline) throw new Error(`Remove ${lock} if nothing installs there`);
      await sleep(500);
      continue;
    }
    try {
      const partial = `${folder}.partial`;
      await rm(partial, { recursive: true, force: true });
      await mkdir(partial);
      await install(partial);
      // Another may have done it between the look and the lock.
      if (!existsSync(folder)) await rename(partial, folder);
    } finally {
      await rm(lock, { recursive: true, force: true });
    }
  }
  return join(folder, 'node_modules/.bin');
}

/** The executables of the programs, installed if they are not. */
export async function installedPrograms(): Promise<Programs> {
  const bin = await installOnce(`codex-${CODEX}-claude-${CLAUDE}`, installPrograms);
  return { codex: join(bin, 'codex'), claude: join(bin, 'claude') };
}

/** The executable of {@link FAN_OUT_CODEX}, installed if it is not. */
export async function installedFanOutCodex(): Promise<string> {
  const bin = await installOnce(`codex-${FAN_OUT_CODEX}`, (folder) =>
    installPackages(folder, [`@openai/codex@${FAN_OUT_CODEX}`]),
  );
  return join(bin, 'codex');
}
