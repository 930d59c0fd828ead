/** What is put around the activities of a worker, where its operator has asked for it. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/**
 * Has what an activity logs name its job, item, attempt and run.
 * @param byRow the item by its row, since its ID is a cell.
 */
export const nameItemInLog =
  (byRow: boolean): ActivityInterceptorsFactory =>
  () => {
    let item: Record<string, unknown> = {};
    return {
      inbound: {
        execute(input, next) {
          item = itemIn(input.args[0], byRow);
          return next(input);
        },
      },
      outbound: {
        getLogAttributes: (attributes, next) => next({ ...attributes, ...item }),
      },
    };
  };

/** What the input of an activity says of whom it is for. The SDK has an `attempt` of its own. */
function itemIn(input: unknown, byRow: boolean): Record<string, unknown> {
  if (typeof input !== 'object' || input === null) return {};
  const { job_id, item_id, row_index, attempt, run } = input as { [name: string]: unknown };
  return {
    ...(typeof job_id === 'string' && { job_id }),
    ...(typeof item_id === 'string' && !byRow && { item_id }),
    ...(typeof row_index === 'number' && byRow && { row_index }),
    ...(typeof attempt === 'number' && { item_attempt: attempt }),
    ...(typeof run === 'number' && { run }),
  };
}
