/** Defaults, and what is taken at most. */
import type { ItemLimits } from './settings.js';

export const DEFAULT_TASK_QUEUE = 'agent-jobs';
export const DEFAULT_MAX_CONCURRENCY = 16;
export const DEFAULT_LIMITS: ItemLimits = {
  max_runtime_seconds: 1800,
  max_attempts: 1,
  report_grace_seconds: 5,
  exit_grace_seconds: 30,
  max_result_bytes: 262_144,
};

/** Pending children and activities are limited to 2,000 per workflow by the server. */
export const MAX_CONCURRENCY = 1000;
export const MAX_POOL_SIZE = 10_000;
/** Columns with limits: of each row and column, a job is told a hash. */
export const MAX_KEYED_LIMITS = 5;
/** Payloads are limited to 2 MB by the server; a report needs room around its result. */
export const MAX_RESULT_BYTES = 1_048_576;
/** The schema travels to every child, so it has to stay small against a history. */
export const MAX_SCHEMA_BYTES = 32_768;
export const INLINE_RESULT_BYTES = 4096;
/** An outcome stays under 2 KiB beside its inline result. */
export const MAX_ERROR_CHARS = 500;
export const MAX_FAILURE_SAMPLES = 5;
/** Attempts of which an outcome gives the usage one by one; those before are summed up in the first. */
export const MAX_USAGE_ENTRIES = 8;
/** Refused reports after which a run is ended: an agent that does not find the schema is not let go on for ever. */
export const MAX_REFUSED_REPORTS = 10;
/** What the command before an agent may take, and the one after it; not part of the agent's time. */
export const MAX_SETUP_SECONDS = 600;
export const MAX_TEARDOWN_SECONDS = 60;
/** A larger patch is not kept. */
export const MAX_PATCH_BYTES = 64 * 1024 * 1024;
/** Rows that have to have ended before a share of failures means something; all, where the job has fewer. */
export const MIN_FAILURE_SAMPLE = 20;
/** IDs that may select the rows of a rerun: the spec is one payload of 2 MB. */
export const MAX_SELECTED_IDS = 10_000;
/** Runs of one attempt that may be lost with their worker before the item fails. */
export const MAX_LOST_RUNS = 5;
