import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AgentProgram } from './program.js';

const execute = promisify(execFile);
const TIMEOUT_MS = 30_000;

/**
 * Asks a program for its version.
 * @returns what is wrong where it is missing, too old or does not run, with what to do; else undefined.
 */
export async function programProblem(
  program: AgentProgram,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const { title, executable, npmPackage, minVersion } = program;
  const install = `npm install -g ${npmPackage}`;
  let answer: string;
  try {
    answer = (await execute(executable, ['--version'], { env, timeout: TIMEOUT_MS })).stdout;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? `${title} was not found: there is no "${executable}" on the PATH (${install})`
      : `${title} does not run: ${message.trim()}`;
  }
  const version = /\d+\.\d+\.\d+/.exec(answer)?.[0];
  if (version === undefined) {
    return `"${executable} --version" does not tell the version of ${title}: ${answer.trim()}`;
  }
  if (isOlder(version, minVersion)) {
    return `${title} ${version} is too old: at least ${minVersion} is needed (${install})`;
  }
  return undefined;
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0;
}
