/** Messages to items and jobs, and what they are answered. */
import type { Json } from './json.js';

/** What an operator's request that could be read is answered. */
export type ControlAnswer = { accepted: true } | { accepted: false; errors: ReportError[] };

/** The message an agent sends. IDs and run, where given, must match the item. */
export interface Report {
  result: Json;
  /** Also stop the job: no more rows are started. */
  stop?: boolean | undefined;
  job_id?: string | undefined;
  item_id?: string | undefined;
  run?: number | undefined;
}

/** What a reporter is told. */
export type ReportAnswer =
  { accepted: true; duplicate?: true } | { accepted: false; errors: ReportError[] };

export interface ReportError {
  /** JSON Pointer into the result; empty for the report as a whole. */
  path: string;
  message: string;
}
