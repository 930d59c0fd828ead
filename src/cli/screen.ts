import { paint } from './output.js';
import type { Line } from './progress-lines.js';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_TO_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** The whole terminal, on a screen of its own: what was there before is there again afterwards. */
export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #leave = () => void this.#stream.write(LEAVE);

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    // Lines that are too wide, as of characters of double width, are cut off by the terminal.
    stream.write(ENTER);
    process.once('exit', this.#leave);
  }

  draw(lines: Line[]): void {
    const text = lines.slice(0, this.#stream.rows).map((line) => {
      const segments = line.map(({ text, color }) => paint(this.#stream, color, text));
      return segments.join('') + CLEAR_TO_LINE_END;
    });
    // In one piece and without clearing first, so that it does not flicker.
    this.#stream.write(HOME + text.join('\r\n') + CLEAR_BELOW);
  }

  close(): void {
    process.off('exit', this.#leave);
    this.#leave();
  }
}
