/** The columns added to each row, in order; JSON Lines has `result` in place of `result_json`. */
export const ADDED_COLUMNS = [
  'job_id',
  'item_id',
  'row_index',
  'source_id',
  'status',
  'attempt_count',
  'last_error',
  'result_json',
  'reported_at',
  'completed_at',
] as const;

/** Added in JSON Lines only, where they are values and not text. */
export const DETAIL_COLUMNS = ['failure_class', 'refused_reports', 'usage', 'patch'] as const;

/** Added in CSV where each row had a worktree of its own. */
export const PATCH_COLUMN = 'patch' satisfies (typeof DETAIL_COLUMNS)[number];

/** Added last where rows may have the outcome of an earlier job: which one, empty where it is this one's. */
export const ORIGIN_COLUMN = 'origin_job_id';

export type AddedColumn = (typeof ADDED_COLUMNS)[number];

/** What an added column may be called: that, or with this any number of times before it. */
export const ADDED_PREFIX = 'agent_job_';

/** How an added column is called in an output beside the input's columns. */
export function addedName(column: string, inputColumns: ReadonlySet<string>): string {
  let name = column;
  while (inputColumns.has(name)) name = ADDED_PREFIX + name;
  return name;
}
