import { ApplicationFailure } from '@temporalio/common';
import type {
  ActivityExecuteInput,
  ActivityInboundCallsInterceptor,
  Next,
} from '@temporalio/worker';
import { LACKS_KEY_FAILURE } from '../messages.js';
import { undecodableReason } from '../undecodable.js';

/**
 * Refuses an activity whose arguments this worker cannot decode: to be retried by one that has their key.
 * @throws ApplicationFailure of type `LacksKey`.
 */
export function refuseUndecodable(
  input: ActivityExecuteInput,
  next: Next<ActivityInboundCallsInterceptor, 'execute'>,
): Promise<unknown> {
  const reason = input.args.map(undecodableReason).find((each) => each !== undefined);
  if (reason === undefined) return next(input);
  throw ApplicationFailure.retryable(
    `its input could not be decoded: ${reason}`,
    LACKS_KEY_FAILURE,
  );
}
