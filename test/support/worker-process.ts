import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MAIN } from './cli.js';

const START_ATTEMPTS = 20;

interface WorkerProcessOptions {
  cwd: string;
  args?: string[];
  /** A command that becomes the one it is given. */
  within?: string[];
  /** The command line of another build. */
  main?: string;
}

/** The program's worker as a process of its own, as people start it. */
export class WorkerProcess {
  /** All that it has said. */
  said = '';
  /** Its exit code, once it has ended; null where it was killed. */
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;
  static readonly #all = new Set<WorkerProcess>();

  /**
   * @param env tells the server, the store and the task queue.
   */
  static async start(
    env: NodeJS.ProcessEnv,
    { cwd, args = [], within = [], main = MAIN }: WorkerProcessOptions,
  ): Promise<WorkerProcess> {
    const command = [...within, process.execPath, main, 'worker', ...args];
    const worker = new WorkerProcess(
      spawn(command[0]!, command.slice(1), {
        cwd,
        env,
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      }),
    );
    await Promise.race([
      once(worker.#process, 'message'),
      worker.ended.then(() => {
        throw new Error(`the worker did not start: ${worker.said}`);
      }),
    ]);
    return worker;
  }

  /** As {@link start}, but again and again, as a process manager would: the server may be away, or slow. */
  static async restart(
    env: NodeJS.ProcessEnv,
    options: WorkerProcessOptions,
  ): Promise<WorkerProcess> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.start(env, options);
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
        await delay(500);
      }
    }
  }

  /** To be called in the tests' `after`. */
  static killAll(): void {
    for (const worker of this.#all) worker.#process.kill('SIGKILL');
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    WorkerProcess.#all.add(this);
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    this.ended = once(child, 'close').then(([code]) => {
      WorkerProcess.#all.delete(this);
      return code as number | null;
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** `kill -9`; returns when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}
