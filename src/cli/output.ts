/**
 * Where a command writes: what it answers goes to standard output, and what it has to say meanwhile
 * to standard error, so that the answer can be piped.
 */

/** Writes a line of the answer. */
export function answer(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes an answer as JSON. */
export function answerJson(value: unknown): void {
  answer(JSON.stringify(value, null, 2));
}

/** Says something beside the answer. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Whether whoever reads the answer has gone, as `head` does when it has enough. */
export function readerGone(): boolean {
  return process.stdout.destroyed;
}

/** Keeps a reader that goes from being an error. */
export function tolerateGoneReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** Returns when all that was written has left this process. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
}

export type Color = 'red' | 'green' | 'yellow' | 'dim' | 'bold';
const CODES: Record<Color, [on: number, off: number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Colours a text where the stream is a terminal that shows colours; `NO_COLOR` is heeded. */
export function paint(stream: NodeJS.WriteStream, color: Color | undefined, text: string): string {
  if (color === undefined || !stream.isTTY || !stream.hasColors()) return text;
  const [on, off] = CODES[color];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
