import { paint } from './output.js';
import type { Line } from './progress-lines.js';

/** Lines at the bottom of a terminal that are drawn over and over. */
export class LiveBlock {
  readonly #stream: NodeJS.WriteStream;
  /** Widths of the lines that are on the screen. The cursor is at the start of the line below. */
  #drawn: number[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  draw(lines: Line[]): void {
    // A block as high as the terminal would scroll, and could not be drawn over.
    const shown = lines.slice(0, Math.max(1, this.#stream.rows - 1));
    const text = shown.map((line) => {
      const segments = line.map(({ text, color }) => paint(this.#stream, color, text));
      return `${segments.join('')}\n`;
    });
    // In one piece, so that it does not flicker.
    this.#stream.write(this.#erasing() + text.join(''));
    this.#drawn = shown.map((line) => line.reduce((width, { text }) => width + text.length, 0));
  }

  clear(): void {
    this.#stream.write(this.#erasing());
    this.#drawn = [];
  }

  #erasing(): string {
    // A terminal that has become narrower has wrapped what was drawn.
    const { columns } = this.#stream;
    const rows = this.#drawn.reduce(
      (sum, width) => sum + Math.max(1, Math.ceil(width / columns)),
      0,
    );
    // Line by line: tmux moves what is cleared in one go from the top of the screen to its history.
    return CLEAR_LINE + `${UP}${CLEAR_LINE}`.repeat(Math.min(rows, this.#stream.rows - 1));
  }
}

const UP = '\u001b[A';
/** Also goes to its start: there may be the echo of a Ctrl-C. */
const CLEAR_LINE = '\r\u001b[2K';
