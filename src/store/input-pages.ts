import { LARGE_ROW_CHARS, PAGE_ROWS, type StoredRow } from './job-record.js';
import type { StoredJob } from './job-store.js';

/** Writes the snapshot of an input, page by page, while it is read. The same rows make the same pages. */
export class InputPages {
  readonly #job: StoredJob;
  #lines: string[] = [];
  #rows = 0;

  constructor(job: StoredJob) {
    this.#job = job;
  }

  /** Takes the next row. */
  async add({ row, ...ids }: StoredRow): Promise<void> {
    const text = JSON.stringify(row);
    // Some large rows would make a page that no process can hold.
    const where =
      text.length > LARGE_ROW_CHARS
        ? `"stored":${JSON.stringify(await this.#job.saveRow(this.#rows, text))}`
        : `"row":${text}`;
    this.#lines.push(`${JSON.stringify(ids).slice(0, -1)},${where}}`);
    this.#rows += 1;
    if (this.#lines.length === PAGE_ROWS) await this.#save();
  }

  /** To be called after the last row. */
  async end(): Promise<void> {
    if (this.#lines.length > 0) await this.#save();
  }

  async #save(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    await this.#job.savePage(Math.ceil(this.#rows / PAGE_ROWS) - 1, lines);
  }
}
