/** The command line as its users run it: a process. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from './site.js';

export const MAIN = join(ROOT, 'dist/cli/main.js');

export interface Ending {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Standard input. */
  input?: string;
  /** Another installation's. */
  main?: string;
  /** A command that becomes the one it is given. */
  within?: string[];
}

/** A command that runs. */
export class RunningCli {
  readonly process: ChildProcessWithoutNullStreams;
  /** What it has written so far. */
  stdout = '';
  stderr = '';
  readonly ending: Promise<Ending>;

  constructor(args: string[], { env, cwd, input, main = MAIN, within = [] }: CliOptions) {
    const command = [...within, process.execPath, main, ...args];
    this.process = spawn(command[0]!, command.slice(1), { cwd, env });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.stdin.end(input ?? '');
    this.ending = once(this.process, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }
}

/** Runs a command to its end. */
export function cli(args: string[], options: CliOptions): Promise<Ending> {
  return new RunningCli(args, options).ending;
}
