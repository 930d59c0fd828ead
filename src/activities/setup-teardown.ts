import { AgentProcess } from '../agent/agent-process.js';
import type { Guard } from '../agent/guard.js';
import { MAX_SETUP_SECONDS, MAX_TEARDOWN_SECONDS } from '../job.js';
import { type RunSurroundings, shellCommand } from './agent-command.js';
import { endOfCommand, giveBack } from './run-end.js';
import type { RunLog } from './run-log.js';

/** What a worker that is told to end its agents now still gives a teardown. */
const HURRIED_TEARDOWN_SECONDS = 10;

/** What had to be done before the agent failed: another attempt may fare better. */
export class NotPrepared extends Error {
  override name = 'NotPrepared';
}

/** The commands of a job's user before and after the agent of a run. */
export class SetupTeardown {
  readonly #own: RunSurroundings;
  readonly #guard: Guard;
  readonly #log: RunLog;
  readonly #noteGroup: (pid: number) => Promise<void>;
  readonly #drained: AbortSignal;
  #setup: AgentProcess | undefined;

  constructor(
    own: RunSurroundings,
    host: {
      guard: Guard;
      log: RunLog;
      noteGroup: (pid: number) => Promise<void>;
      drained: AbortSignal;
    },
  ) {
    this.#own = own;
    this.#guard = host.guard;
    this.#log = host.log;
    this.#noteGroup = host.noteGroup;
    this.#drained = host.drained;
  }

  /**
   * Runs the setup. What it leaves running is there for the agent, until {@link teardown} is over.
   * @throws {NotPrepared}; what tells the server that the run came to nothing.
   */
  async setup(): Promise<void> {
    const { setup: line } = this.#own.agent;
    if (line === undefined) return;
    const setup = await this.#start(line);
    this.#setup = setup;
    this.#log.add(`setup: ${line}`, setup.output);
    const why = await endOfCommand(setup, MAX_SETUP_SECONDS, this.#drained);
    giveBack(why);
    if (why === 'timed_out') {
      throw new NotPrepared(`setup was still running after ${MAX_SETUP_SECONDS} s${last(setup)}`);
    }
    const { exit_code, signal } = await setup.exited;
    if (exit_code === 0) return;
    // What it said last may still be on its way.
    await setup.end();
    const how = signal === null ? `exited with code ${exit_code}` : `was ended by signal ${signal}`;
    throw new NotPrepared(`setup ${how}${last(setup)}`);
  }

  /**
   * Runs the teardown, also after a setup that failed, and ends what the setup has left. A teardown that
   * fails is noted in the log: what the agent has reported stands.
   */
  async teardown(): Promise<void> {
    const { teardown: line } = this.#own.agent;
    try {
      if (line !== undefined) await this.#tearDown(line);
    } catch (error) {
      this.#log.note(`teardown could not be started: ${(error as Error).message}`);
    } finally {
      await this.#setup?.end();
    }
  }

  async #tearDown(line: string): Promise<void> {
    const teardown = await this.#start(line);
    this.#log.add(`teardown: ${line}`, teardown.output);
    let tooLong: (end: 'too long') => void;
    const over = new Promise<'too long'>((resolve) => (tooLong = resolve));
    const after = (seconds: number) => setTimeout(() => tooLong('too long'), seconds * 1000);
    const timers = [after(MAX_TEARDOWN_SECONDS)];
    const hurry = () => void timers.push(after(HURRIED_TEARDOWN_SECONDS));
    if (this.#drained.aborted) hurry();
    else this.#drained.addEventListener('abort', hurry, { once: true });
    const end = await Promise.race([teardown.exited, over]);
    timers.forEach(clearTimeout);
    this.#drained.removeEventListener('abort', hurry);
    await teardown.end();
    if (end === 'too long') this.#log.note('teardown took too long and was ended');
    else if (end.exit_code !== 0) {
      this.#log.note(`teardown exited with ${end.signal ?? `code ${end.exit_code}`}`);
    }
  }

  async #start(line: string): Promise<AgentProcess> {
    const process = await AgentProcess.start(shellCommand(line, this.#own), this.#guard);
    await this.#noteGroup(process.pid);
    return process;
  }
}

function last(process: AgentProcess): string {
  const line = process.lastLine();
  return line === '' ? '' : `: ${line}`;
}
