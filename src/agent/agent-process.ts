import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Guard } from './guard.js';
import { OutputTail } from './output-tail.js';

/** Of what an agent prints the end is kept. */
const OUTPUT_BYTES = 1024 * 1024;
/** What an agent is given between the polite signal and the other one. */
const KILL_AFTER_MS = 5000;
/** A process that left the agent's group may hold its output open. */
const OUTPUT_END_MS = 1000;

export interface AgentCommand {
  /** Program and arguments. */
  argv: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  stdin: string;
  /** Is given each line of standard output as it comes. */
  onLine?: (line: string) => void;
}

export interface AgentExit {
  exit_code: number | null;
  signal: string | null;
}

/** The command cannot be started, and could not at another time. */
export class CannotStart extends Error {
  override name = 'CannotStart';
}

/** An agent as a process group of its own, so that what it starts ends with it. */
export class AgentProcess {
  /** Both outputs, as they came. */
  readonly output = new OutputTail(OUTPUT_BYTES);
  /** Standard error alone. */
  readonly errors = new OutputTail(4096);
  /** When the agent itself has exited; processes of its group may live on. */
  readonly exited: Promise<AgentExit>;
  readonly #process: ChildProcess & { pid: number };
  readonly #guard: Guard;

  /**
   * @throws {CannotStart} saying what is wrong with the command; another error where the machine
   *   cannot start a process now.
   */
  static async start(command: AgentCommand, guard: Guard): Promise<AgentProcess> {
    const [program, ...args] = command.argv as [string, ...string[]];
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd: command.cwd, env: command.env, detached: true });
      if (child.pid === undefined) await new Promise((_, fail) => child.once('error', fail));
    } catch (error) {
      throw await explain(error as NodeJS.ErrnoException, program, command.cwd);
    }
    guard.add(child.pid!);
    return new AgentProcess(child as ChildProcess & { pid: number }, command, guard);
  }

  private constructor(
    child: ChildProcess & { pid: number },
    { stdin, onLine }: AgentCommand,
    guard: Guard,
  ) {
    this.#process = child;
    this.#guard = guard;
    // A signal that cannot be sent is an error event, too.
    child.on('error', () => {});
    child.stdout!.on('data', (chunk: Buffer) => this.output.add(chunk));
    if (onLine !== undefined) createInterface({ input: child.stdout! }).on('line', onLine);
    child.stderr!.on('data', (chunk: Buffer) => {
      this.output.add(chunk);
      this.errors.add(chunk);
    });
    // An agent need not read its input.
    child.stdin!.on('error', () => {});
    child.stdin!.end(stdin);
    this.exited = new Promise((resolve) => {
      child.once('exit', (exit_code, signal) => resolve({ exit_code, signal }));
    });
  }

  /** Whether processes of its group are there, itself or others. */
  get alive(): boolean {
    return this.#signal(0);
  }

  /** What it last said: on standard error, else on standard output. */
  lastLine(): string {
    return this.errors.lastLine() || this.output.lastLine();
  }

  /** Ends its process group, politely first; returns when the agent has exited and its output is read. */
  async end(): Promise<void> {
    if (this.#signal('SIGTERM')) {
      const kill = setTimeout(() => {
        this.#signal('SIGKILL');
        this.#guard.remove(this.#process.pid);
      }, KILL_AFTER_MS);
      this.#process.once('close', () => {
        if (this.alive) return;
        clearTimeout(kill);
        this.#guard.remove(this.#process.pid);
      });
    } else {
      this.#guard.remove(this.#process.pid);
    }
    await this.exited;
    await this.#outputRead();
  }

  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.#process.pid, signal);
    } catch {
      return false;
    }
  }

  async #outputRead(): Promise<void> {
    const { stdout, stderr } = this.#process;
    if (stdout!.closed && stderr!.closed) return;
    await new Promise<void>((resolve) => {
      const enough = setTimeout(resolve, OUTPUT_END_MS);
      this.#process.once('close', () => {
        clearTimeout(enough);
        resolve();
      });
    });
  }
}

async function explain(error: NodeJS.ErrnoException, program: string, cwd: string): Promise<Error> {
  const folder = await stat(cwd).catch(() => undefined);
  if (!folder?.isDirectory()) return new CannotStart(`the working directory ${cwd} is not there`);
  switch (error.code) {
    case 'ENOENT':
      return new CannotStart(`the command ${JSON.stringify(program)} was not found`);
    case 'EACCES':
      return new CannotStart(`the command ${JSON.stringify(program)} may not be executed`);
    case 'E2BIG':
      return new CannotStart('the command is too long: give the prompt on standard input instead');
    case 'ERR_INVALID_ARG_VALUE':
      return new CannotStart(`the command cannot be passed to a process: ${error.message}`);
    default:
      return SHORTAGES.has(error.code ?? '')
        ? error
        : new CannotStart(
            `the command ${JSON.stringify(program)} cannot be started: ${error.message}`,
          );
  }
}

/** What the machine lacks now and may have later. */
const SHORTAGES = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'ETXTBSY']);
