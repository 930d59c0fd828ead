import { setTimeout as delay } from 'node:timers/promises';
import { type WorkflowHandle, WorkflowNotFoundError, isGrpcServiceError } from '@temporalio/client';
import type { Report } from '../job.js';
import { reportSignal } from '../messages.js';

/** What became of a report. */
export type Delivery =
  | 'delivered'
  /** The item has closed: its outcome is fixed. */
  | 'settled'
  /** Not taken by the server, or given up on. */
  | 'undelivered';

/** gRPC codes that say that the server is away or busy, not that the signal is wrong. */
const TRANSIENT = new Set([
  1, // CANCELLED: the connection was closed under way
  4, // DEADLINE_EXCEEDED
  8, // RESOURCE_EXHAUSTED
  10, // ABORTED
  13, // INTERNAL
  14, // UNAVAILABLE
]);
const MAX_BACKOFF_MS = 2000;

/** Signals the item until the server has the report, for as long as the server is away. */
export async function deliver(
  handle: WorkflowHandle,
  report: Report,
  giveUp: AbortSignal,
): Promise<Delivery> {
  for (let backoffMs = 100; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
    try {
      const call = () => handle.signal(reportSignal, report);
      await handle.client.connection.withAbortSignal(giveUp, call);
      return 'delivered';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'settled';
      if (giveUp.aborted) return 'undelivered';
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      if (!isGrpcServiceError(cause) || !TRANSIENT.has(cause.code)) return 'undelivered';
    }
    await delay(backoffMs, undefined, { signal: giveUp }).catch(() => {});
  }
}
