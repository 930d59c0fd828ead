import { inspect } from 'node:util';
import { DefaultLogger, Runtime } from '@temporalio/worker';

/**
 * Sets up the SDK for the workers of this process: to be called before the first one is started, by
 * who handles signals itself.
 * @param log takes warnings and errors of the SDK, a line each.
 */
export function installRuntime(log: (line: string) => void): void {
  const logger = new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    // Said of agent workers, which have no workflows on purpose.
    if (!message.startsWith('No workflows registered')) log(`${level} ${logLine(message, meta)}`);
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
