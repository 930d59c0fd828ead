import type { RowWithOutcome } from '../store/kept-outcomes.js';

/** The rows of an earlier job, each with what became of it. */
export interface EarlierRows {
  /** What people call where they are: `job ID`, or a path. */
  name: string;
  /** In input order, to be iterated once. */
  rows: AsyncIterable<RowWithOutcome>;
  /** The input's columns; complete once `rows` has ended. */
  columns: () => string[];
}

/** Rows cannot be run again as asked. The message says why and what to do. */
export class RerunRefused extends Error {
  override name = 'RerunRefused';
}

/** No row meets what was asked for: there is nothing to do. */
export class NothingToRerun extends RerunRefused {
  override name = 'NothingToRerun';
}
