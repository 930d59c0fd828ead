import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';

const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 1000;

/** gRPC: the workflow's last task failed, it is just continuing as new, or it has had as many updates as it may. */
export const FAILED_PRECONDITION = 9;
const DEADLINE_EXCEEDED = 4;
export const RESOURCE_EXHAUSTED = 8;

export interface Refusal {
  /** Of gRPC. */
  code: number;
  /** The server's words. */
  details: string;
}

/** How the server has refused a request; undefined where something else went wrong. */
export function refusal(error: unknown): Refusal | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) ? cause : undefined;
}

/**
 * Sends a request until the server passes it on to the workflow.
 * @param deadline in milliseconds since the epoch: after it, it is not sent again.
 * @param mayPass whether what was refused may be passed on the next time.
 * @throws what the request throws, when it may not pass any more, or is out of time.
 */
export async function untilPassedOn<T>(
  deadline: number,
  mayPass: (refused: Refusal) => boolean,
  request: () => Promise<T>,
): Promise<T> {
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
    try {
      return await request();
    } catch (error) {
      const refused = refusal(error);
      if (refused === undefined || !mayPass(refused) || Date.now() + backoffMs > deadline)
        throw error;
    }
    await delay(backoffMs);
  }
}

/**
 * Whether the server itself was too slow: a caller whose own deadline is over is told so in other words. One of
 * the polls that make up a long wait may be, which says nothing of what is waited for.
 */
export function isSlow({ code, details }: Refusal): boolean {
  const outOfTime = code === DEADLINE_EXCEEDED && details.startsWith('context deadline');
  return outOfTime || code === RESOURCE_EXHAUSTED;
}
