import { INLINE_RESULT_BYTES, type KeptRows, type Outcome, type RowOutcome } from '../job.js';
import type { KeptRecord, StoredRow } from './job-record.js';
import type { StoredJob } from './job-store.js';

/** Rows of a batch: as those of a job that runs, it has to be held. */
const BATCH_ROWS = 125;

/** A row with how it has ended, if it has. */
export interface RowWithOutcome extends StoredRow {
  outcome?: Outcome;
}

/** The outcome of a row in one job, for another job that takes it over. */
export function takenFrom(job: StoredJob, itemId: string, outcome: Outcome): Outcome {
  const taken = { ...outcome, origin: outcome.origin ?? { job_id: job.jobId, item_id: itemId } };
  if (taken.status !== 'completed') return taken;
  const { result, patch } = taken;
  return {
    ...taken,
    result: 'stored' in result ? { stored: job.sharedKey(result.stored) } : result,
    ...(patch !== undefined && { patch: job.sharedKey(patch) }),
  };
}

/** Writes the outcomes that a job is given of earlier ones, as batches before its own. */
export class KeptOutcomes {
  readonly #job: StoredJob;
  readonly #rows: KeptRows = { completed: 0, failed: 0, cancelled: 0, pending: 0 };
  #patches = false;
  #index = 0;
  #batch: RowOutcome[] = [];

  constructor(job: StoredJob) {
    this.#job = job;
  }

  /** Takes the next row of the input, which need not be kept. */
  async add({ kept, outcome }: RowWithOutcome): Promise<void> {
    if (kept) await this.#keep(outcome);
    this.#index += 1;
    if (this.#index % BATCH_ROWS === 0) await this.#save();
  }

  /** To be called after the last row. */
  async end(): Promise<KeptRecord> {
    if (this.#batch.length > 0) await this.#save();
    const batches = Math.ceil(this.#index / BATCH_ROWS);
    return { rows: this.#rows, batches, patches: this.#patches };
  }

  async #keep(outcome: Outcome | undefined): Promise<void> {
    this.#rows[outcome?.status ?? 'pending'] += 1;
    if (outcome === undefined) return;
    const saved = await this.#withSmallResult(outcome);
    this.#patches ||= saved.status === 'completed' && saved.patch !== undefined;
    this.#batch.push([this.#index, saved]);
  }

  /** A result that was read from an output may be of any size. */
  async #withSmallResult(outcome: Outcome): Promise<Outcome> {
    if (outcome.status !== 'completed' || !('inline' in outcome.result)) return outcome;
    const { inline: result } = outcome.result;
    if (Buffer.byteLength(JSON.stringify(result)) <= INLINE_RESULT_BYTES) return outcome;
    const stored = await this.#job.saveResult({ row_index: this.#index, result });
    return { ...outcome, result: { stored } };
  }

  async #save(): Promise<void> {
    const outcomes = this.#batch;
    this.#batch = [];
    const { pending: _, ...counts } = this.#rows;
    const header = { at: new Date().toISOString(), counts };
    const number = Math.ceil(this.#index / BATCH_ROWS) - 1;
    if (outcomes.length > 0) await this.#job.saveKeptOutcomes(number, header, outcomes);
  }
}
