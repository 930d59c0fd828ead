/** What a worker says of itself and of its work, as text for people or as JSON for machines. */
import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import type { LogEntry } from '@temporalio/worker';
import { LACKS_KEY_FAILURE, WRONG_STORE_FAILURE, itemOf } from './messages.js';
import type { LogFormat } from './worker-tuning.js';

/**
 * A line without its end; undefined where there is nothing to say.
 * @param options.discreet nothing that may tell of a row.
 */
export function logLine(
  format: LogFormat,
  entry: LogEntry,
  options: { discreet: boolean },
): string | undefined {
  const { level, message } = entry;
  const meta = options.discreet ? discreet(message, entry.meta ?? {}) : (entry.meta ?? {});
  // Said of agent workers, which have no workflows on purpose.
  if (message.startsWith('No workflows registered')) return undefined;
  const time = new Date(Number(entry.timestampNanos / 1_000_000n)).toISOString();
  if (format === 'text') return `${time} ${level} ${textOf(message, meta)}`;
  // Its everyday talk is of use to nobody.
  if (level === 'INFO' && meta['sdkComponent'] !== 'activity') return undefined;
  return jsonLine(time, level, message, fieldsOf(meta));
}

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

/** What the program itself has to say, which for people may be several lines, as a line of JSON. */
export function ownLine(text: string): string {
  const message = text.replace(/\s*\n\s*/g, '; ').replace(/ {2,}/g, ' ');
  return jsonLine(new Date().toISOString(), 'INFO', message, { component: 'agent-jobs' });
}

function jsonLine(
  time: string,
  level: string,
  message: string,
  fields: { [name: string]: unknown },
): string {
  return JSON.stringify({ time, level: level.toLowerCase(), message, ...fields });
}

/** The same in every line, or of use to nobody who reads them. */
const LEFT_OUT = new Set(
  (
    'sdkComponent taskQueue namespace runId workflowType workflowId activityType activityId ' +
    'attempt isLocal taskToken error'
  ).split(' '),
);

/** What happened, to whom, and why; the rest where there is more. */
function textOf(message: string, meta: Record<string, unknown>): string {
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

/** What the SDK calls otherwise than we do. */
const NAMES: { [name: string]: string } = {
  taskQueue: 'task_queue',
  workflowId: 'workflow_id',
  runId: 'workflow_run_id',
  workflowType: 'workflow_type',
  activityId: 'activity_id',
  activityType: 'activity_type',
  attempt: 'activity_attempt',
  item_attempt: 'attempt',
  sdkComponent: 'component',
};

function fieldsOf(meta: Record<string, unknown>): { [name: string]: unknown } {
  const fields: { [name: string]: unknown } = itemIn(meta['workflowId']);
  for (const [name, value] of Object.entries(meta)) {
    if (name === 'taskToken') continue;
    fields[NAMES[name] ?? name] = plain(value);
  }
  return fields;
}

/** The job and the item that a workflow is of. */
function itemIn(workflowId: unknown): { job_id?: string; item_id?: string } {
  if (typeof workflowId !== 'string') return {};
  const [job_id] = workflowId.split('/') as [string];
  if (job_id === workflowId) return { job_id };
  try {
    const { item_id, key } = itemOf(workflowId);
    return { job_id, item_id: item_id ?? key };
  } catch {
    // A workflow of somebody else's, whose ID only looks like one of ours.
    return {};
  }
}

/** As JSON can have it. */
function plain(value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message, stack } = value;
    return { name, message, ...(stack !== undefined && { stack }) };
  }
  if (typeof value === 'bigint') return Number(value);
  try {
    return JSON.stringify(value) === undefined ? inspect(value) : value;
  } catch {
    return inspect(value);
  }
}
