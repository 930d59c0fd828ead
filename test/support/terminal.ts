/** A real terminal: a tmux session of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Whether tmux is there. */
export function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export class Terminal {
  readonly #socket: string;

  /**
   * Starts a command in a terminal of this size. Below what it has written, its end is told as
   * `exit code N`: tmux itself misses the end of a process now and then.
   */
  static async open(
    command: string[],
    size: { columns: number; rows: number },
    { env, cwd }: { env: NodeJS.ProcessEnv; cwd: string },
  ): Promise<Terminal> {
    const terminal = new Terminal(join(cwd, `tmux-${randomUUID().slice(0, 8)}`));
    await execute(
      'tmux',
      [
        ...['-u', '-S', terminal.#socket, '-f', '/dev/null'],
        ...['new-session', '-d', '-x', `${size.columns}`, '-y', `${size.rows}`, '--'],
        // A Ctrl-C reaches the shell as well, which is to outlive it.
        ...['sh', '-c', 'trap : INT; "$@"; echo "exit code $?"; exec sleep 1000', 'sh', ...command],
      ],
      { env: { ...env, TMUX: '', LC_ALL: 'C.UTF-8' }, cwd },
    );
    return terminal;
  }

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** What is on the screen: its lines without the blanks around them. */
  async screen(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p')).trim();
  }

  /** The same, with what has scrolled out of it. */
  async scrollback(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p', '-J', '-S', '-')).trim();
  }

  /** Whether a command has taken the whole terminal, on a screen of its own. */
  async isTaken(): Promise<boolean> {
    return (await this.#tmux('display-message', '-p', '#{alternate_on}')).trim() === '1';
  }

  async key(key: string): Promise<void> {
    await this.#tmux('send-keys', key);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server');
  }

  async #tmux(...args: string[]): Promise<string> {
    return (await execute('tmux', ['-u', '-S', this.#socket, ...args])).stdout;
  }
}
