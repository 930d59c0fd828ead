import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { JobSummary, Json, ResultRef, RowOutcome } from '../job.js';
import type { BlobStore } from './blob-store.js';
import {
  type BatchHeader,
  type JobRecord,
  PAGE_ROWS,
  type PageRow,
  type StoredRow,
} from './job-record.js';
import { RunLogs, type RunNumbers, later, runName } from './run-logs.js';

/** An input that is to be in the store is not. */
export class NoSuchInput extends Error {
  override name = 'NoSuchInput';
}

/**
 * What a job keeps outside of Temporal, under `jobs/<job_id>/`:
 * `job.json`, `pages/<n>.jsonl` (the input), `rows/<row>.json` (large ones of it), `outcomes/<n>.jsonl`,
 * `results/<row>.json` (large ones), `logs/<row>.<attempt>.<run>.txt`,
 * `patches/<row>.<attempt>.<run>.patch`, of later generations of an item with that behind the other numbers
 * (`results/<row>.<generation>.json`); `summary.json`; where workers do not see the caller's files, also
 * `input/<any>.csv` and `output.csv`. Pages, batches and results never change once written. A key of one
 * job that begins with `jobs/` is in another job's part: of an outcome that was taken from there.
 *
 * Beside the jobs, `tasks/<hash>/<time>.<job_id>` tells which jobs have had the same task.
 */
export class JobStore {
  readonly blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.blobs = blobs;
  }

  async jobIds(): Promise<string[]> {
    const keys = await this.blobs.list('jobs/');
    return keys.map((key) => key.slice('jobs/'.length, -1));
  }

  job(jobId: string): StoredJob {
    return new StoredJob(this.blobs, jobId);
  }

  /** Notes that a job has a task. @param task its hash. */
  async saveTask(task: string, jobId: string): Promise<void> {
    await this.blobs.put(`tasks/${task}/${String(Date.now()).padStart(15, '0')}.${jobId}`, '');
  }

  /** The jobs that have had a task, newest first. */
  async jobsOfTask(task: string): Promise<string[]> {
    const prefix = `tasks/${task}/`;
    const jobIds = (await this.blobs.list(prefix)).map((key) =>
      key.slice(key.indexOf('.', prefix.length) + 1),
    );
    return [...new Set(jobIds.toReversed())];
  }
}

/** One job's part of the store. */
export class StoredJob {
  readonly jobId: string;
  readonly logs: RunLogs;
  readonly #blobs: BlobStore;
  readonly #prefix: string;

  constructor(blobs: BlobStore, jobId: string) {
    this.#blobs = blobs;
    this.jobId = jobId;
    this.#prefix = `jobs/${jobId}/`;
    this.logs = new RunLogs(blobs, `${this.#prefix}logs/`);
  }

  /** Another job of the same store. */
  sibling(jobId: string): StoredJob {
    return new StoredJob(this.#blobs, jobId);
  }

  /** A key of this job, for another one that takes over what is there. */
  sharedKey(key: string): string {
    return isLocation(key) ? key : this.#at(key);
  }

  /** Whether what is kept is encrypted. */
  get encrypts(): boolean {
    return this.#blobs.encrypts;
  }

  async record(): Promise<JobRecord | undefined> {
    return this.#read<JobRecord>('job.json');
  }

  async saveRecord(record: JobRecord): Promise<void> {
    await this.#put('job.json', JSON.stringify(record, null, 2));
  }

  /** @param lines of JSON, a {@link PageRow} each. */
  async savePage(page: number, lines: string[]): Promise<void> {
    await this.#put(pageKey(page), `${lines.join('\n')}\n`);
  }

  /** Keeps a row apart from its page. @returns its key. */
  async saveRow(rowIndex: number, row: string): Promise<string> {
    const key = `rows/${rowIndex}.json`;
    await this.#put(key, row);
    return key;
  }

  /** @throws where the job has no such page: its snapshot is not complete or not in this store. */
  async page(page: number): Promise<PageRow[]> {
    const text = await this.#blobs.get(this.#prefix + pageKey(page));
    if (text === undefined) throw new Error(`job ${this.jobId} has no page ${page} in the store`);
    return parseLines<PageRow>(text);
  }

  /** The cells of a row. */
  async cells(row: PageRow): Promise<StoredRow['row']> {
    return 'row' in row ? row.row : this.#kept<StoredRow['row']>(row.stored);
  }

  /**
   * Saves a batch behind all others, once however often it is asked for.
   * @param batch its number: a later one where that is taken, as by what a job has saved before it was reset.
   * @returns whether the batch was not there yet.
   */
  async saveOutcomes(batch: number, header: BatchHeader, outcomes: RowOutcome[]): Promise<boolean> {
    const text = lines([header, ...outcomes]);
    for (let key = batchKey(batch); !(await this.#putOnce(key, text));) {
      const last = (await this.batches()).at(-1)!;
      for (const taken of [this.#prefix + key, last]) {
        if (isDeepStrictEqual((await this.batch(taken)).outcomes, outcomes)) return false;
      }
      key = batchKey(numberOf(last) + 1);
    }
    return true;
  }

  /** The same, of a job that is not open yet: what an earlier try has left is replaced. */
  async saveKeptOutcomes(
    batch: number,
    header: BatchHeader,
    outcomes: RowOutcome[],
  ): Promise<void> {
    await this.#put(batchKey(batch), lines([header, ...outcomes]));
  }

  /** Keys of the batches, oldest first. */
  async batches(): Promise<string[]> {
    return this.#blobs.list(`${this.#prefix}outcomes/`);
  }

  async batch(key: string): Promise<{ header: BatchHeader; outcomes: RowOutcome[] }> {
    const [header, ...outcomes] = parseLines<BatchHeader | RowOutcome>(
      (await this.#blobs.get(key)) ?? '',
    );
    return { header: header as BatchHeader, outcomes: outcomes as RowOutcome[] };
  }

  /** What the last batch says of the job as a whole. */
  async lastBatch(): Promise<BatchHeader | undefined> {
    const last = (await this.batches()).at(-1);
    return last === undefined ? undefined : (await this.batch(last)).header;
  }

  /** @returns the key under which {@link result} finds it. */
  async saveResult({ row_index, generation, result }: SavedResult): Promise<string> {
    const key = `results/${[row_index, ...later(generation)].join('.')}.json`;
    await this.#put(key, JSON.stringify(result));
    return key;
  }

  async result(ref: ResultRef): Promise<Json> {
    return 'inline' in ref ? ref.inline : this.#kept<Json>(ref.stored);
  }

  /** @returns the key by which {@link locate} tells where it is. */
  async savePatch(run: RunNumbers, file: string): Promise<string> {
    const key = `patches/${runName(run)}.patch`;
    await this.#blobs.putStream(this.#prefix + key, createReadStream(file));
    return key;
  }

  /**
   * Keeps a caller's input for the workers, which cannot see it. Each call has a key of its own: two
   * that start a job of the same ID do not mix what they bring.
   * @param extension of the file's name, as `.csv`. @returns the key for {@link input}.
   */
  async saveInput(bytes: AsyncIterable<Uint8Array>, extension: string): Promise<string> {
    const key = `input/${randomUUID()}${extension}`;
    await this.#blobs.putStream(this.#prefix + key, bytes);
    return key;
  }

  /** What {@link saveInput} has kept. @throws {NoSuchInput} */
  async input(key: string): Promise<AsyncIterable<Uint8Array>> {
    const chunks = await this.#blobs.getStream(this.#prefix + key);
    if (chunks === undefined)
      throw new NoSuchInput(
        `the job store ${this.locate('')} has no ${key}: start the job where its workers' --store is, or name that`,
      );
    return chunks;
  }

  /** Keeps the output for the caller, whose files a worker cannot write. @param key from `outputKey`. */
  async saveOutput(key: string, chunks: AsyncIterable<string>): Promise<void> {
    await this.#blobs.putStream(this.#prefix + key, chunks);
  }

  /** @returns undefined where the job has not written it. */
  async output(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#blobs.getStream(this.#prefix + key);
  }

  /** Where people find what is kept under a key. */
  locate(key: string): string {
    return isLocation(key) ? key : this.#blobs.locate(this.#at(key));
  }

  /** @returns the number of the row with this item ID, or undefined. */
  async rowOf(itemId: string): Promise<number | undefined> {
    const { total = 0 } = (await this.record()) ?? {};
    for (let first = 0; first < total; first += PAGE_ROWS) {
      const page = await this.page(first / PAGE_ROWS);
      const offset = page.findIndex(({ item_id }) => item_id === itemId);
      if (offset !== -1) return first + offset;
    }
    return undefined;
  }

  async summary(): Promise<JobSummary | undefined> {
    return this.#read<JobSummary>('summary.json');
  }

  async saveSummary(summary: JobSummary): Promise<void> {
    await this.#put('summary.json', JSON.stringify(summary, null, 2));
  }

  async #read<T>(key: string): Promise<T | undefined> {
    const text = await this.#blobs.get(this.#prefix + key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  async #kept<T>(key: string): Promise<T> {
    const text = await this.#blobs.get(this.#at(key));
    if (text === undefined) throw new Error(`job ${this.jobId} has no ${key} in the store`);
    return JSON.parse(text) as T;
  }

  /** Where in the store something is that this job refers to. */
  #at(key: string): string {
    return key.startsWith(SHARED) ? key : this.#prefix + key;
  }

  #put(key: string, value: string): Promise<void> {
    return this.#blobs.put(this.#prefix + key, value);
  }

  async #putOnce(key: string, value: string): Promise<boolean> {
    return this.#blobs.putIfAbsent(this.#prefix + key, value);
  }
}

interface SavedResult {
  row_index: number;
  generation?: number;
  result: Json;
}

const SHARED = 'jobs/';
/** Not a key, but where something is: as an output tells it of a patch. */
const isLocation = (key: string) => /^(\/|[a-z][a-z0-9+.-]*:\/\/)/i.test(key);
const number = (n: number) => String(n).padStart(8, '0');
const pageKey = (page: number) => `pages/${number(page)}.jsonl`;
const batchKey = (batch: number) => `outcomes/${number(batch)}.jsonl`;
/** @param key of a batch. */
const numberOf = (key: string) => Number(/(\d+)\.jsonl$/.exec(key)![1]);

function lines(values: unknown[]): string {
  return values.map((value) => JSON.stringify(value) + '\n').join('');
}

function parseLines<T>(text: string): T[] {
  // JSON text holds no raw newline.
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
