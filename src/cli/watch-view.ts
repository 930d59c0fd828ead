import { setTimeout as delay } from 'node:timers/promises';
import type { ItemSummary, JobHandle, JobStatus } from '../client.js';
import { dumbTerminal } from '../config.js';
import { note } from './output.js';
import type { ProgressView } from './progress-view.js';
import { Screen } from './screen.js';
import { watchLines } from './watch-lines.js';

const RUNNING_EVERY_MS = 2000;
const MAX_SECONDS = 120;
const QUIT_KEYS = ['q', 'Q', '\u0003'];

/** Whether there is a terminal to fill, and a keyboard to leave it by. */
export function hasScreen(): boolean {
  return process.stderr.isTTY && process.stdin.isTTY && !dumbTerminal();
}

/** A job on the whole terminal. */
export class WatchView implements ProgressView {
  readonly #job: JobHandle;
  readonly #stream = process.stderr;
  readonly #screen: Screen;
  readonly #closed = new AbortController();
  readonly #notes: string[] = [];
  readonly #quit: () => void;
  #status: JobStatus | undefined;
  #running: ItemSummary[] | undefined;
  /** What their agents have said last, by workflow ID. */
  #said = new Map<string, string>();
  #ended: number[] = [];
  /** The second of the last of them, and the rows that had ended by then. */
  #counted: { second: number; done: number } | undefined;

  readonly #redraw = () => {
    if (this.#status === undefined || this.#closed.signal.aborted) return;
    const { columns, rows } = this.#stream;
    const job = {
      status: this.#status,
      running: this.#running,
      said: this.#said,
      ended: this.#ended,
      notes: this.#notes,
      now: Date.now(),
    };
    this.#screen.draw(watchLines(job, columns, rows));
  };

  readonly #key = (key: Buffer) => {
    if (QUIT_KEYS.includes(key.toString())) this.#quit();
  };

  /** @param quit called where somebody wants to see no more of it. */
  constructor(job: JobHandle, quit: () => void) {
    this.#job = job;
    this.#quit = quit;
    this.#screen = new Screen(this.#stream);
    this.#stream.on('resize', this.#redraw);
    process.stdin.setRawMode(true).on('data', this.#key).resume();
    void this.#followRunning();
  }

  show(status: JobStatus): void {
    this.#status = status;
    this.#count(status);
    this.#redraw();
  }

  note(text: string): void {
    this.#notes.push(text);
    this.#redraw();
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#stream.off('resize', this.#redraw);
    process.stdin.off('data', this.#key).setRawMode(false).pause();
    this.#screen.close();
    for (const text of this.#notes) note(text);
  }

  #count({ completed, failed, cancelled }: JobStatus): void {
    const second = Math.floor(Date.now() / 1000);
    const done = completed + failed + cancelled;
    const before = this.#counted;
    if (before !== undefined && second === before.second) return;
    if (before !== undefined) {
      // What ended while the job did not answer belongs to no second of it.
      const quiet = Array.from(
        { length: Math.min(MAX_SECONDS, second - before.second - 1) },
        () => 0,
      );
      this.#ended = [...this.#ended, ...quiet, Math.max(0, done - before.done)].slice(-MAX_SECONDS);
    }
    this.#counted = { second, done };
  }

  async #followRunning(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        const running: ItemSummary[] = [];
        for await (const item of this.#job.items('running')) running.push(item);
        this.#running = running.sort((a, b) => a.started_at!.localeCompare(b.started_at!));
        this.#redraw();
        this.#said = await this.#job.lastLines(running.slice(0, this.#stream.rows));
        this.#redraw();
      } catch {
        // The server is away: the status says so, and these are shown as they were.
      }
      await delay(RUNNING_EVERY_MS, undefined, { signal: this.#closed.signal }).catch(() => {});
    }
  }
}
