/** The shapes of what a job keeps. */
import type { FixedCommit } from '../agent/repository.js';
import type { Counts, JobSpec, Json, KeptRows } from '../job.js';

/** Rows in a page of the input's snapshot. */
export const PAGE_ROWS = 500;

/** A row of more JSON text is kept apart from its page, so that a page is some MB at most. */
export const LARGE_ROW_CHARS = 16_384;

/** A job as its store knows it, written once its snapshot is complete. */
export interface JobRecord {
  job_id: string;
  spec: JobSpec;
  output_csv_path: string;
  columns: string[];
  total: number;
  /** From what every row starts, where each has a worktree. */
  isolation?: FixedCommit;
  /** Where rows of it may have the outcome of an earlier job. */
  kept?: KeptRecord;
  /** Begun by workers that encrypt: its items' workflows are named by row number. */
  encrypted?: true;
  /** The first run of its workflow; absent where an earlier worker has opened it. */
  run_id?: string;
  created_at: string;
}

/** What a job has been given of earlier jobs. */
export interface KeptRecord {
  rows: KeptRows;
  /** Numbers of batches that are taken for it. */
  batches: number;
  /** Whether there are patches. */
  patches: boolean;
}

/** A row of the input, as snapshotted. */
export interface StoredRow {
  item_id: string;
  /** The ID column's cell; empty where there is none. */
  source_id: string;
  /** Set where it is not to be started: it has the outcome of an earlier job, or was not selected. */
  kept?: true;
  /** Where the job has limits by key: hashes, in the order of the limits. */
  keys?: string[];
  row: { [column: string]: Json };
}

/** A row as its page has it, which is all of it but for large ones. */
export type PageRow = Omit<StoredRow, 'row'> & (Pick<StoredRow, 'row'> | { stored: string });

/** The first line of a batch of outcomes. */
export interface BatchHeader {
  at: string;
  /** The job's counts with this batch. */
  counts: Counts;
}
