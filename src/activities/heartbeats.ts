import { Context } from '@temporalio/activity';
import type {
  ActivityExecuteInput,
  ActivityInboundCallsInterceptor,
  Next,
} from '@temporalio/worker';

const HEARTBEAT_MS = 5000;

/** Heartbeats for as long as an activity takes, so that a worker that is lost with it is noticed. */
export async function heartbeats(
  input: ActivityExecuteInput,
  next: Next<ActivityInboundCallsInterceptor, 'execute'>,
): Promise<unknown> {
  const context = Context.current();
  const beating = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await next(input);
  } finally {
    clearInterval(beating);
  }
}
