import {
  ApplicationFailure,
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
  type WorkflowHandle,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { type Outcome, clip } from './job.js';
import { LACKS_KEY_FAILURE, OUTCOME_MEMO } from './messages.js';
import { lackedKey, undecodableReason } from './undecodable.js';

/**
 * Waits for an item to close, on the server's long poll.
 * @returns how it ended, whatever way it closed; undefined where the server does not know it any more.
 * @throws ApplicationFailure of type `LacksKey` where only a process with another key can tell.
 */
export async function itemOutcome(handle: WorkflowHandle): Promise<Outcome | undefined> {
  try {
    return readable(await handle.result());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    if (!(error instanceof WorkflowFailedError)) throw error;
    return closedOtherwise(handle, error.cause);
  }
}

async function closedOtherwise(handle: WorkflowHandle, cause: unknown): Promise<Outcome> {
  if (cause instanceof ApplicationFailure) {
    const outcome = cause.details?.[0];
    return outcome === undefined ? broken(cause.message) : readable(outcome);
  }
  if (cause instanceof CancelledFailure) {
    const { memo } = await handle.describe();
    const outcome = memo?.[OUTCOME_MEMO];
    return outcome === undefined ? cancelled('cancelled') : readable(outcome);
  }
  if (cause instanceof TerminatedFailure) return cancelled(`terminated: ${cause.message}`);
  if (cause instanceof TimeoutFailure) return broken('its workflow timed out');
  return broken(cause instanceof Error ? cause.message : String(cause));
}

function readable(outcome: unknown): Outcome {
  const lacking = lackedKey(outcome);
  if (lacking !== undefined) throw ApplicationFailure.retryable(lacking, LACKS_KEY_FAILURE);
  const unreadable = undecodableReason(outcome);
  return unreadable === undefined ? (outcome as Outcome) : broken(unreadable);
}

function cancelled(last_error: string): Outcome {
  return { status: 'cancelled', ...ended(last_error) };
}

/** The workflow of the item did not come to an outcome of its own. */
function broken(last_error: string): Outcome {
  return { status: 'failed', reason: 'agent_error', ...ended(last_error) };
}

function ended(lastError: string) {
  return {
    attempt_count: 1,
    last_error: clip(lastError),
    completed_at: new Date().toISOString(),
  };
}
