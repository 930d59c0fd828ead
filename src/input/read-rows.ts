import { createReadStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { CsvError, parse, type Parser } from 'csv-parse';
import { jsonProblem } from '../json-limits.js';
import { InputError } from './input-error.js';

/** One row of the input: CSV cells are strings, JSON Lines values are kept as they are. */
export interface InputRow {
  /** 1-based physical line on which the row starts. */
  line: number;
  /** Own properties only, so that a column may be called `__proto__`. */
  row: Record<string, unknown>;
}

/** An input file that is read once, row by row. */
export interface InputRows {
  /** The rows in file order, to be iterated once; throws `InputError` at the first fault. */
  rows: AsyncIterable<InputRow>;
  /**
   * The columns in the order of the header, or of first use for JSON Lines. Complete once `rows`
   * has ended; for CSV from the first row on.
   */
  columns: () => string[];
}

// A quote that is never closed would otherwise gather the rest of the file in memory.
const MAX_ROW_MIB = 16;
const MAX_ROW_SIZE = MAX_ROW_MIB * 1024 * 1024;

/**
 * Streams an input file in constant memory: JSON Lines where the name ends in `.jsonl` or
 * `.ndjson`, else comma-separated CSV (RFC 4180), both in UTF-8 with or without byte order mark.
 * Blank lines, and CSV rows of nothing but blank cells, are skipped.
 *
 * @param path names it in errors, too. @param bytes its content, where it is not in the file of that path.
 *
 * Nothing is opened before `rows` is iterated. A file that cannot be read, is malformed or has no
 * rows makes the iteration throw `InputError`; rows before the fault may have been given by then.
 */
export function readRows(path: string, bytes: Bytes = readBytes(path)): InputRows {
  const columns = new Set<string>();
  const read = isJsonLines(path) ? readJsonLines : readCsv;
  return { rows: read({ path, bytes }, columns), columns: () => [...columns] };
}

/** Whether a file of this name is read as JSON Lines; else it is CSV. */
export function isJsonLines(path: string): boolean {
  return /\.(jsonl|ndjson)$/i.test(path);
}

type Bytes = AsyncIterable<Uint8Array>;

/** What is read, and what it is called in errors. */
interface InputFile {
  path: string;
  bytes: Bytes;
}

async function* readCsv(file: InputFile, columns: Set<string>): AsyncGenerator<InputRow> {
  const records = new CsvRecords(file.path, columns);
  const parser = parse({
    record_delimiter: ['\r\n', '\n'],
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: MAX_ROW_SIZE,
    on_record: (cells, { empty_lines }) => records.take(cells, empty_lines),
  });
  // Errors are taken from `write` and `finished`; without a listener they would end the process.
  parser.on('error', () => {});
  try {
    for await (const text of readText(file)) {
      await write(parser, text);
      yield* records.drain();
    }
    parser.end();
    await finished(parser, { readable: false });
  } catch (error) {
    throw error instanceof CsvError ? records.fault(error, parser.info.empty_lines) : error;
  }
  yield* records.drain();
  records.end();
}

function write(parser: Parser, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Turns CSV records into rows. It counts lines itself: csv-parse counts a CRLF in a quoted cell
 * twice, and where a row starts not at all.
 */
class CsvRecords {
  readonly #path: string;
  readonly #columns: Set<string>;
  #header: string[] = [];
  #lines = 0;
  #count = 0;
  #rows: InputRow[] = [];

  constructor(path: string, columns: Set<string>) {
    this.#path = path;
    this.#columns = columns;
  }

  /**
   * Takes the next record, which has `emptyLines` lines before it that belong to no record.
   * Returns null, so that csv-parse does not buffer the record as well.
   */
  take(cells: string[], emptyLines: number): null {
    const line = this.#nextLine(emptyLines);
    this.#lines += 1 + cells.reduce((sum, cell) => sum + countNewlines(cell), 0);
    if (this.#header.length === 0) {
      if (cells.length > 1 || !isBlank(cells[0])) this.#takeHeader(cells, line);
    } else if (!cells.every(isBlank)) {
      this.#takeRow(cells, line);
    }
    return null;
  }

  /** The rows since the last call. */
  drain(): InputRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /** To be called after the last record; refuses a file without rows. */
  end(): void {
    if (this.#header.length === 0) {
      throw new InputError(this.#path, 'is empty. Give a file with a header and rows.');
    }
    if (this.#count > 0) return;
    throw new InputError(
      this.#path,
      this.#header.some((name) => name.includes('\r'))
        ? 'has no rows: its lines end in a bare carriage return. Save it with LF or CRLF line ends.'
        : 'has no rows below its header. Add at least one.',
    );
  }

  /** What csv-parse stopped at, as an error in the row that is being read. */
  fault(error: CsvError, emptyLines: number): InputError {
    const line = this.#nextLine(emptyLines);
    const index = typeof error['column'] === 'number' ? error['column'] : 0;
    const column = this.#header[index];
    const cell = column === undefined ? `cell ${index + 1}` : `the cell of column "${column}"`;
    const place = column === undefined ? { line } : { line, column };
    return new InputError(this.#path, csvProblem(error, cell), place);
  }

  #nextLine(emptyLines: number): number {
    return this.#lines + emptyLines + 1;
  }

  #takeHeader(cells: string[], line: number): void {
    cells.forEach((name, index) => {
      if (isBlank(name)) {
        const problem = `column ${index + 1} of the header has no name. Name it or remove it.`;
        throw new InputError(this.#path, problem, { line });
      }
      if (this.#columns.has(name)) {
        const problem = `the header has more than one column "${name}". Rename or remove one.`;
        throw new InputError(this.#path, problem, { line, column: name });
      }
      this.#columns.add(name);
    });
    this.#header = cells;
  }

  #takeRow(cells: string[], line: number): void {
    if (cells.length !== this.#header.length) {
      throw new InputError(
        this.#path,
        `the row has ${plural(cells.length, 'field')}, the header has ${this.#header.length}. ` +
          'Look for a missing or extra comma; a cell that contains a comma needs quotes around it.',
        { line },
      );
    }
    this.#count += 1;
    const row = Object.fromEntries(this.#header.map((name, index) => [name, cells[index]]));
    this.#rows.push({ line, row });
  }
}

function csvProblem(error: CsvError, cell: string): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return `the quote that opens ${cell} is never closed. Close it, or remove it.`;
    case 'CSV_INVALID_CLOSING_QUOTE':
      return (
        `a quote in ${cell} is followed by neither a comma nor the end of the line. ` +
        'Write a quote inside a quoted cell twice ("").'
      );
    case 'INVALID_OPENING_QUOTE':
      return (
        `${cell} does not start with a quote but contains one. ` +
        'Put quotes around the whole cell and write each quote inside it twice ("").'
      );
    case 'CSV_MAX_RECORD_SIZE':
      return `the row is longer than ${MAX_ROW_MIB} MiB. Look for a quote that is never closed.`;
    default:
      return `is not valid CSV: ${error.message}`;
  }
}

async function* readJsonLines(file: InputFile, columns: Set<string>): AsyncGenerator<InputRow> {
  const { path } = file;
  let line = 0;
  let count = 0;
  for await (const text of readLines(file)) {
    line += 1;
    if (isBlank(text)) continue;
    count += 1;
    const row = parseObject(path, text, line);
    for (const name of Object.keys(row)) {
      if (isBlank(name)) {
        const problem = 'the object has a key without a name. Name it or remove it.';
        throw new InputError(path, problem, { line });
      }
      columns.add(name);
    }
    yield { line, row };
  }
  if (count === 0) {
    throw new InputError(path, 'is empty. Give a file with one JSON object on each line.');
  }
}

function parseObject(path: string, text: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const problem = `the line is not JSON: ${reason}. Write one JSON object on each line.`;
    throw new InputError(path, problem, { line });
  }
  if (isObject(value)) {
    const unfit = jsonProblem(value);
    if (unfit === undefined) return value;
    throw new InputError(path, `the object ${unfit}. Write it as a text.`, { line });
  }
  const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
  const problem = `the line is ${kind}, not an object. Write one JSON object on each line.`;
  throw new InputError(path, problem, { line });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The lines of the file without their LF; the CR of a CRLF stays, JSON takes it as white space. */
async function* readLines(file: InputFile): AsyncGenerator<string> {
  let line = 1;
  let partial = '';
  for await (const text of readText(file)) {
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      yield partial + text.slice(start, end);
      partial = '';
      start = end + 1;
      line += 1;
    }
    partial += text.slice(start);
    if (partial.length > MAX_ROW_SIZE) {
      const problem = `the line is longer than ${MAX_ROW_MIB} MiB. Write one object on each line.`;
      throw new InputError(file.path, problem, { line });
    }
  }
  if (partial !== '') yield partial;
}

/** The file's text, without its byte order mark; a bad byte is refused with its line. */
async function* readText({ path, bytes }: InputFile): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  let tail = Buffer.alloc(0);
  for await (const { buffer, byteOffset, byteLength } of bytes) {
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    if (line === 1 && tail.length === 0 && isUtf16(chunk)) {
      throw new InputError(path, 'is UTF-16, save it as UTF-8.', { line });
    }
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch {
      throw badUtf8(path, line + newlinesBeforeBadByte(tail, chunk));
    }
    yield text;
    line += countNewlines(text);
    tail = Buffer.concat([tail, chunk.subarray(-3)]).subarray(-3);
  }
  try {
    decoder.decode();
  } catch {
    throw badUtf8(path, line);
  }
}

function badUtf8(path: string, line: number): InputError {
  return new InputError(path, 'has a byte that is not UTF-8. Save the file as UTF-8.', { line });
}

function isUtf16(start: Buffer): boolean {
  return (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff);
}

/** `tail`: the last bytes before `chunk`, in which a character of up to four bytes may have begun. */
function newlinesBeforeBadByte(tail: Buffer, chunk: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const begun = tail.findIndex((byte) => (byte & 0xc0) !== 0x80);
  if (begun !== -1) decoder.decode(tail.subarray(begun), { stream: true });
  let newlines = 0;
  let start = 0;
  for (;;) {
    const end = chunk.indexOf(0x0a, start) + 1;
    if (end === 0) return newlines;
    try {
      decoder.decode(chunk.subarray(start, end), { stream: true });
    } catch {
      return newlines;
    }
    newlines += 1;
    start = end;
  }
}

/** @throws {InputError} where the file cannot be read. */
export async function* readBytes(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new InputError(path, readProblem(error));
  }
}

function readProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'there is no such file. Check the path.';
    case 'EISDIR':
      return 'is a directory. Give the path of a CSV or JSON Lines file.';
    case 'EACCES':
    case 'EPERM':
      return 'cannot be read: permission denied. Allow this user to read it.';
    default:
      return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function isBlank(text: string | undefined): boolean {
  return text === undefined || text.trim() === '';
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
