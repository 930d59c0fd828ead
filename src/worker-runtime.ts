import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { LACKS_KEY_FAILURE, WRONG_STORE_FAILURE } from './messages.js';

/**
 * Sets up the SDK for the workers of this process: to be called before the first one is started, by
 * who handles signals itself.
 * @param log takes warnings and errors of the SDK, a line each.
 * @param options.encrypts what a worker writes to Temporal is encrypted: its log is not to tell it either.
 */
export function installRuntime(log: (line: string) => void, options: { encrypts: boolean }): void {
  const logger = new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    // Said of agent workers, which have no workflows on purpose.
    if (!message.startsWith('No workflows registered')) {
      log(`${level} ${logLine(message, options.encrypts ? discreet(message, meta) : meta)}`);
    }
  });
  Runtime.install({
    shutdownSignals: [],
    logger,
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
  });
}

/** The same in every line, or of use to nobody who reads them. */
const LEFT_OUT = new Set(
  (
    'sdkComponent taskQueue namespace runId workflowType workflowId activityType activityId ' +
    'attempt isLocal taskToken error'
  ).split(' '),
);

/** Failures that tell an operator of the worker, and nothing of a row. */
const OF_WORKERS = new Set([LACKS_KEY_FAILURE, WRONG_STORE_FAILURE]);

/** Without the message of a failure that may tell of a row. */
function discreet(message: string, meta: Record<string, unknown>): Record<string, unknown> {
  const { error, ...others } = meta;
  // From the thread of workflows, an error comes without its type. Why an item failed is its outcome.
  if (message === 'Workflow failed') return others;
  if (!(error instanceof ApplicationFailure) || OF_WORKERS.has(error.type ?? '')) return meta;
  return { ...others, error: new Error(error.type ?? error.name) };
}

/** What happened, to whom, and why; the rest where there is more. */
function logLine(message: string, meta: Record<string, unknown>): string {
  const { workflowId, activityType, error } = meta;
  const who = [workflowId, activityType].filter((name) => typeof name === 'string');
  const more = Object.entries(meta).filter(([key]) => !LEFT_OUT.has(key));
  const parts = [
    [message, ...who].join(' '),
    ...(error === undefined ? [] : [error instanceof Error ? error.message : inspect(error)]),
    ...(more.length === 0 ? [] : [inspect(Object.fromEntries(more))]),
  ];
  return parts.join(': ').replace(/\s*\n\s*/g, ' ');
}
