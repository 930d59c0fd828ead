import type { Json } from '../job.js';
import { PAGE_ROWS, type PageRow } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';

/** Pages are some MB at most. */
const MAX_PAGES = 8;

/** The pages that the agents of a worker start from: nearly always the same few, which never change. */
export class RecentPages {
  readonly #pages = new Map<string, Promise<PageRow[]>>();

  async row(job: StoredJob, rowIndex: number): Promise<{ [column: string]: Json }> {
    const page = await this.#page(job, Math.floor(rowIndex / PAGE_ROWS));
    return job.cells(page[rowIndex % PAGE_ROWS]!);
  }

  #page(job: StoredJob, number: number): Promise<PageRow[]> {
    const key = `${job.jobId}/${number}`;
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = job.page(number);
      this.#pages.set(key, page);
      page.catch(() => this.#pages.delete(key));
      if (this.#pages.size > MAX_PAGES) this.#pages.delete(this.#pages.keys().next().value!);
    }
    return page;
  }
}
