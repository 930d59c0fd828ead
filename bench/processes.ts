/** The processes that a measurement needs, and the CPU time that they take. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU seconds that a process has taken so far, of all its threads (Linux). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory that a process has held, in MB (Linux). */
export function peakMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)![1]) / 1024;
}

/** A program that runs until it is ended, and says when it is ready. */
export class Running {
  readonly #process: ChildProcess;

  /** @param script a path below `bench`, or of the build. */
  static async start(script: string, args: string[], env: NodeJS.ProcessEnv): Promise<Running> {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const execArgv = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
    const child = fork(path, args, { env, execArgv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`${script} has ended with code ${String(code)}`);
      }),
    ]);
    return new Running(child);
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
