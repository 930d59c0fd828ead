import type { JobStatus } from '../client.js';
import { dumbTerminal } from '../config.js';
import { LiveBlock } from './live-block.js';
import { note } from './output.js';
import { progressKey, progressLines, progressText } from './progress-lines.js';

/** Shows how a job goes on, on standard error. */
export interface ProgressView {
  show(status: JobStatus): void;
  /** Says something that stays. */
  note(text: string): void;
  /** To be called before anything else is written. */
  close(): void;
}

export function progressView(): ProgressView {
  return process.stderr.isTTY && !dumbTerminal() ? new LiveView(process.stderr) : new PlainView();
}

/** A block that is drawn anew with each status, and when the terminal changes its size. */
class LiveView implements ProgressView {
  readonly #stream: NodeJS.WriteStream;
  readonly #block: LiveBlock;
  #status: JobStatus | undefined;
  readonly #redraw = () => {
    if (this.#status === undefined) return;
    this.#block.draw(progressLines(this.#status, this.#stream.columns));
  };

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#block = new LiveBlock(stream);
    stream.on('resize', this.#redraw);
  }

  show(status: JobStatus): void {
    this.#status = status;
    this.#redraw();
  }

  note(text: string): void {
    this.#block.clear();
    note(text);
    this.#redraw();
  }

  close(): void {
    this.#stream.off('resize', this.#redraw);
    this.#status = undefined;
    this.#block.clear();
  }
}

const LINE_EVERY_MS = 10_000;

/** A line when something has changed, and not too often. */
class PlainView implements ProgressView {
  #lastKey: string | undefined;
  #lastAt = 0;

  show(status: JobStatus): void {
    const key = progressKey(status);
    const now = Date.now();
    if (key === this.#lastKey || now - this.#lastAt < LINE_EVERY_MS) return;
    this.#lastKey = key;
    this.#lastAt = now;
    note(progressText(status));
  }

  note(text: string): void {
    note(text);
  }

  close(): void {}
}
