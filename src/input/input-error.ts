/** Where in the input file an error is, as far as it is known. */
export interface InputPlace {
  /** 1-based physical line; for a row that spans lines, the one where it starts. */
  line?: number;
  /** Name of the input's column that the error is about. */
  column?: string;
}

/**
 * The input file is refused. The message is for the person who gave the file and reads
 * `tickets.csv:17: what is wrong. What to do.`, with the path as it was given.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly path: string;
  readonly line: number | undefined;
  readonly column: string | undefined;

  constructor(path: string, problem: string, place: InputPlace = {}) {
    super(`${path}${place.line === undefined ? '' : `:${place.line}`}: ${problem}`);
    this.path = path;
    this.line = place.line;
    this.column = place.column;
  }
}
