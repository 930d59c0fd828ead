import type { Outcome } from '../job.js';
import type { StoredJob } from './job-store.js';

/** Batches kept in memory: rows end nearly in input order, so those around a row are few. */
const MAX_RECENT = 64;
/** Batches read at once: a store may be a network away. */
const READERS = 8;

/** The last outcome of one row, looked for from the latest batch back. */
export async function lastOutcome(job: StoredJob, rowIndex: number): Promise<Outcome | undefined> {
  for (const key of (await job.batches()).reverse()) {
    const { outcomes } = await job.batch(key);
    const last = outcomes.findLast(([row]) => row === rowIndex);
    if (last !== undefined) return last[1];
  }
  return undefined;
}

/** Outcomes by row, for reading a whole job page by page without holding its results. */
export class OutcomeIndex {
  readonly #job: StoredJob;
  readonly #keys: string[];
  /** Batch of each row, as an index into the keys; -1 where the row has no outcome. */
  readonly #batchOf: Int32Array;
  readonly #recent = new Map<number, Promise<Map<number, Outcome>>>();
  readonly #maxRecent: number;

  private constructor(job: StoredJob, keys: string[], batchOf: Int32Array, maxRecent: number) {
    this.#job = job;
    this.#keys = keys;
    this.#batchOf = batchOf;
    this.#maxRecent = maxRecent;
  }

  /** @param maxRecent batches that may be kept in memory; fewer where several jobs are read at once. */
  static async of(job: StoredJob, total: number, maxRecent = MAX_RECENT): Promise<OutcomeIndex> {
    const keys = await job.batches();
    const batchOf = new Int32Array(total).fill(-1);
    const left = keys.entries();
    const read = async () => {
      for (const [index, key] of left) {
        const { outcomes } = await job.batch(key);
        // Read in any order: of a row that was started again, the last outcome counts.
        for (const [row] of outcomes) batchOf[row] = Math.max(batchOf[row]!, index);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    return new OutcomeIndex(job, keys, batchOf, maxRecent);
  }

  async get(rowIndex: number): Promise<Outcome | undefined> {
    const batch = this.#batchOf[rowIndex];
    if (batch === undefined || batch < 0) return undefined;
    let outcomes = this.#recent.get(batch);
    if (outcomes === undefined) {
      outcomes = this.#job.batch(this.#keys[batch]!).then(({ outcomes }) => new Map(outcomes));
      this.#recent.set(batch, outcomes);
      if (this.#recent.size > this.#maxRecent)
        this.#recent.delete(this.#recent.keys().next().value!);
    }
    return (await outcomes).get(rowIndex);
  }
}
