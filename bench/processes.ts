/** The processes that a measurement needs, and the CPU time and memory that they take. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { within } from './within.js';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
/** A loaded machine takes its time over a bundle of workflows. */
const START_SECONDS = 180;
const SAID_LENGTH = 2000;

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
  #ended = false;
  /** Rejects if the program ends by itself. */
  readonly lost: Promise<never>;

  /** @param script a path below `bench`, or of the build. */
  static async start(script: string, args: string[], env: NodeJS.ProcessEnv): Promise<Running> {
    const running = new Running(script, args, env);
    const ready = once(running.#process, 'message');
    try {
      await within(`${script} is ready`, START_SECONDS, Promise.race([ready, running.lost]));
    } catch (error) {
      await running.end();
      throw error;
    }
    return running;
  }

  private constructor(script: string, args: string[], env: NodeJS.ProcessEnv) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const execArgv = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
    const child = fork(path, args, { env, execArgv, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-SAID_LENGTH);
    });
    this.#process = child;
    this.lost = new Promise((_, reject) => {
      child.once('close', (code, signal) => {
        if (this.#ended) return;
        reject(new Error(`${script} has ended: ${signal ?? `code ${code}`}\n${said}`.trim()));
      });
    });
    // Told to whoever waits for something of it.
    this.lost.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async end(): Promise<void> {
    this.#ended = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
