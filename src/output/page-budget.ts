import type { ReportRow } from '../report-page/shape.js';

/** Rows on a page: more of them nobody looks through, and a browser holds only so many. */
export const MAX_LISTED_ROWS = 50_000;
/** Of the rows together. The page itself is small. */
const MAX_BYTES = 46 * 1024 * 1024;
/** What a row takes beside its texts. */
const ROW_BYTES = 220;
/** Of texts, at most, and in this order where there is less room. Logs are kept by their end. */
const LIMITS = { error: 600, log: 2048, result: 4096, input: 1024 } as const;
const MAX_ID_CHARS = 200;
/** A character may be written as six. */
const BYTES_PER_CHAR = 6;

/** Shares the room of a page out to its rows: what some do not need is there for those that follow. */
export class PageBudget {
  #bytesLeft: number;
  #rowsLeft: number;

  /** @param total the job's rows. */
  constructor(total: number, maxBytes: number = MAX_BYTES) {
    this.#rowsLeft = Math.min(total, MAX_LISTED_ROWS);
    this.#bytesLeft = maxBytes;
  }

  /** A row with its texts as long as there is room for; undefined where there is none for the row. */
  fit(row: ReportRow): ReportRow | undefined {
    if (this.#rowsLeft === 0 || this.#bytesLeft < ROW_BYTES) return undefined;
    let room = Math.max(0, Math.floor(this.#bytesLeft / this.#rowsLeft) - ROW_BYTES);
    this.#rowsLeft -= 1;
    const fitted: ReportRow = { ...row, id: row.id.slice(0, MAX_ID_CHARS) };
    for (const name of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
      const text = row[name];
      if (text === undefined) continue;
      const kept = clipped(text, LIMITS[name], room, name === 'log');
      if (kept !== text) fitted.clipped = true;
      if (kept === '') delete fitted[name];
      else fitted[name] = kept;
      room -= bytesOf(kept);
    }
    return fitted;
  }

  /** @param bytes that a row has taken. */
  spend(bytes: number): void {
    this.#bytesLeft -= bytes;
  }
}

/** The beginning or the end of a text, of no more characters, and no more bytes when written. */
function clipped(text: string, maxChars: number, room: number, end: boolean): string {
  const part = (chars: number) => (end ? text.slice(-chars) : text.slice(0, chars));
  if (text.length <= maxChars && bytesOf(text) <= room) return text;
  const kept = part(maxChars);
  if (bytesOf(kept) <= room) return kept;
  const chars = Math.floor(room / BYTES_PER_CHAR);
  return chars <= 0 ? '' : part(chars);
}

/** As written: most of ASCII as it is, all else escaped. */
function bytesOf(text: string): number {
  const escaped = text.match(/[^ !#-%'-;=?-[\]-~]/g)?.length ?? 0;
  return text.length + (BYTES_PER_CHAR - 1) * escaped;
}
