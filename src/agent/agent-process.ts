import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { eachLine } from './each-line.js';
import { type Condemned, endProcesses, marked, signalIfThere } from './end-processes.js';
import type { Guard } from './guard.js';
import { OutputTail } from './output-tail.js';
import { isGroupAlive } from './process-table.js';
import type { AgentExit, RunningAgent } from './running-agent.js';

/** Of what an agent prints the end is kept. */
const OUTPUT_BYTES = 1024 * 1024;
/** A process that left the agent's group may hold its output open. */
const OUTPUT_END_MS = 1000;

export interface AgentCommand {
  /** Program and arguments. */
  argv: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** What it is given on standard input. Without it, that stays open for {@link AgentProcess.write}. */
  stdin?: string;
  /** The entry of its environment (`NAME=value`) that no other run's processes have. */
  mark?: string;
  /** Is given each line of standard output as it comes. */
  onLine?: (line: string) => void;
}

/** The command cannot be started, and could not at another time. */
export class CannotStart extends Error {
  override name = 'CannotStart';
}

/**
 * An agent as a process group of its own, so that what it starts ends with it. What leaves the group is
 * known by its mark, where the system tells that.
 */
export class AgentProcess implements RunningAgent {
  /** Both outputs, as they came. */
  readonly output = new OutputTail(OUTPUT_BYTES);
  /** Standard error alone. */
  readonly errors = new OutputTail(4096);
  /** When the agent itself has exited; processes of its group may live on. */
  readonly exited: Promise<AgentExit>;
  readonly #process: ChildProcess & { pid: number };
  readonly #guard: Guard;
  readonly #daemons: Condemned | undefined;

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
    { stdin, onLine, mark }: AgentCommand,
    guard: Guard,
  ) {
    this.#process = child;
    this.#guard = guard;
    this.#daemons = mark === undefined ? undefined : marked(mark);
    // A signal that cannot be sent is an error event, too.
    child.on('error', () => {});
    child.stdout!.on('data', (chunk: Buffer) => this.output.add(chunk));
    if (onLine !== undefined) eachLine(child.stdout!, onLine);
    child.stderr!.on('data', (chunk: Buffer) => {
      this.output.add(chunk);
      this.errors.add(chunk);
    });
    // An agent need not read its input.
    child.stdin!.on('error', () => {});
    if (stdin !== undefined) child.stdin!.end(stdin);
    this.exited = new Promise((resolve) => {
      child.once('exit', (exit_code, signal) => resolve({ exit_code, signal }));
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get lastSignAt(): number {
    return this.output.lastAt;
  }

  /** Gives it more on standard input. */
  write(text: string): void {
    this.#process.stdin!.write(text);
  }

  /** Whether the agent runs, or what it has started. */
  async alive(): Promise<boolean> {
    return isGroupAlive(this.pid) || (await this.#daemons?.alive()) === true;
  }

  /** What it last said: on standard error, else on standard output. */
  lastLine(): string {
    return this.errors.lastLine() || this.output.lastLine();
  }

  /**
   * Ends it and all that it has started, politely first; returns when they are gone and its output
   * is read.
   */
  async end(): Promise<void> {
    await endProcesses({
      signal: (signal) => signalIfThere(-this.pid, signal),
      alive: () => isGroupAlive(this.pid),
    });
    this.#guard.remove(this.pid);
    await this.exited;
    await this.#outputRead();
    if (this.#daemons !== undefined) await endProcesses(this.#daemons);
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
