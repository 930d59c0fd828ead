import { IdTable } from '../input/id-table.js';
import type { Outcome } from '../job.js';
import { PAGE_ROWS, type PageRow } from '../store/job-record.js';
import type { JobStore, StoredJob } from '../store/job-store.js';
import { type RowWithOutcome, takenFrom } from '../store/kept-outcomes.js';
import { OutcomeIndex } from '../store/outcome-index.js';
import { canonical } from './task-hash.js';

/** Jobs that are looked through: each with `reuse` has what those before it have left of its rows. */
const MAX_JOBS = 16;
/** Batches of outcomes held of each. */
const MAX_RECENT = 4;

interface EarlierJob {
  stored: StoredJob;
  outcomes: OutcomeIndex;
  /** The number that its first row has in the table. */
  first: number;
  /** The last one that was read. */
  page: { number: number; rows: PageRow[] } | undefined;
}

/**
 * What earlier jobs have completed of one task, by row, in some 30 bytes each.
 */
class EarlierResults {
  readonly #jobs: EarlierJob[] = [];
  /** By row: the last job that has completed it, and where. Two rows may be taken for one. */
  readonly #table = new IdTable();

  private constructor() {}

  /** Looks through the latest jobs that have had a task. */
  static async of(store: JobStore, task: string): Promise<EarlierResults> {
    const results = new EarlierResults();
    let first = 1;
    for (const jobId of (await store.jobsOfTask(task)).slice(0, MAX_JOBS)) {
      const stored = store.job(jobId);
      const record = await stored.record();
      // It has not been opened, or is not there any more.
      if (record === undefined) continue;
      const outcomes = await OutcomeIndex.of(stored, record.total, MAX_RECENT);
      const job = { stored, outcomes, first, page: undefined };
      await results.#add(job, record.total);
      first += record.total;
    }
    return results;
  }

  /** The outcome of a row of the same cells, where one has completed, without what it cost. */
  async find(row: RowWithOutcome['row']): Promise<Outcome | undefined> {
    const text = canonical(row);
    const place = this.#table.get(text);
    const job = this.#jobs.findLast(({ first }) => first <= place);
    if (job === undefined) return undefined;
    const index = place - job.first;
    const earlier = await rowOf(job, index);
    if (canonical(await job.stored.cells(earlier)) !== text) return undefined;
    const outcome = await job.outcomes.get(index);
    if (outcome?.status !== 'completed') return undefined;
    const { usage: _, ...taken } = takenFrom(job.stored, earlier.item_id, outcome);
    return taken;
  }

  async #add(job: EarlierJob, total: number): Promise<void> {
    this.#jobs.push(job);
    for (let index = 0; index < total; index += 1) {
      const row = await rowOf(job, index);
      if ((await job.outcomes.get(index))?.status !== 'completed') continue;
      const text = canonical(await job.stored.cells(row));
      if (this.#table.get(text) === 0) this.#table.set(text, job.first + index);
    }
  }
}

async function rowOf(job: EarlierJob, index: number): Promise<PageRow> {
  const number = Math.floor(index / PAGE_ROWS);
  if (job.page?.number !== number) job.page = { number, rows: await job.stored.page(number) };
  return job.page.rows[index % PAGE_ROWS]!;
}

/**
 * The rows of a job, of which those that an earlier job has completed are kept, with that outcome.
 * @param task called at the first row, when the columns are known.
 */
export async function* withReuse(
  store: JobStore,
  rows: AsyncIterable<RowWithOutcome>,
  task: () => Promise<string>,
): AsyncGenerator<RowWithOutcome> {
  let earlier: EarlierResults | undefined;
  for await (const row of rows) {
    earlier ??= await EarlierResults.of(store, await task());
    const outcome = row.kept ? undefined : await earlier.find(row.row);
    yield outcome === undefined ? row : { ...row, kept: true, outcome };
  }
}
