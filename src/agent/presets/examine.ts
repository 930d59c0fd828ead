import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AgentProgram, Run } from './program.js';

const execute = promisify(execFile);
const TIMEOUT_MS = 30_000;

/** A program as it is on this host: what more arguments it takes, or why it cannot be used. */
export type Examined = { args: string[] } | { problem: string };

/** Looks whether a program is there and new enough. The problem says what to do. */
export async function examine(program: AgentProgram, env: NodeJS.ProcessEnv): Promise<Examined> {
  const { title, executable, npmPackage, minVersion } = program;
  const run = runner(program, env);
  const install = `npm install -g ${npmPackage}`;
  try {
    const answer = await run('--version');
    const version = /\d+\.\d+\.\d+/.exec(answer)?.[0];
    if (version === undefined) {
      return { problem: `"${executable} --version" does not tell its version: ${answer.trim()}` };
    }
    if (isOlder(version, minVersion)) {
      const problem = `${title} ${version} is too old: at least ${minVersion} is needed (${install})`;
      return { problem };
    }
    return { args: (await program.discover?.(run)) ?? [] };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return {
      problem:
        code === 'ENOENT'
          ? `${title} was not found: there is no "${executable}" on the PATH (${install})`
          : `${title} does not run: ${message.trim()}`,
    };
  }
}

/** Runs a program, to ask it something. */
export function runner({ executable }: AgentProgram, env: NodeJS.ProcessEnv): Run {
  return async (...args) => (await execute(executable, args, { env, timeout: TIMEOUT_MS })).stdout;
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0;
}
