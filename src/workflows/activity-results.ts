/**
 * What activities have returned may be anything: an operator can complete one by hand, and a worker of
 * something else may have served the task queue. Used unseen, it would fail the workflow task, again and again.
 */
import { log, sleep } from '@temporalio/workflow';
import type { AgentEnd } from '../activities/contract.js';
import { FAILURE_CLASSES } from '../job.js';
import { whyUnusable } from './decoded.js';

const ASK_AGAIN_AFTER = '5 seconds';

/** Asks an activity that may be repeated until it gives what it should. */
export async function sound<T>(
  what: string,
  ask: () => Promise<T>,
  isSound: (value: T) => boolean,
): Promise<T> {
  for (;;) {
    const value = await ask();
    if (whyUnusable(value) === undefined && isSound(value)) return value;
    log.warn(`${what} gave something else than it should: it is asked again`);
    await sleep(ASK_AGAIN_AFTER);
  }
}

/** Whether a value is an object, whose properties can be asked for. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is how a run of an agent process can have ended, as far as its item goes by it. */
export function isAgentEnd(value: unknown): value is AgentEnd {
  if (!isRecord(value)) return false;
  const {
    undelivered_report: report,
    refused_reports: refused,
    failure_class,
    usage,
    patch,
  } = value;
  const extras =
    (report === undefined || isRecord(report)) &&
    (refused === undefined || typeof refused === 'number') &&
    (failure_class === undefined || FAILURE_CLASSES.some((known) => known === failure_class)) &&
    (usage === undefined || isUsage(usage)) &&
    (patch === undefined || typeof patch === 'string');
  return extras && Object.entries(TEXTS).some(([kind, text]) => isEnd(value, kind, text));
}

function isEnd(value: Record<string, unknown>, kind: string, text: string): boolean {
  return value['kind'] === kind && typeof value[text] === 'string';
}

/** The text that each kind of end has. */
const TEXTS: Record<AgentEnd['kind'], 'last_line' | 'error'> = {
  exited: 'last_line',
  timed_out: 'last_line',
  idle: 'last_line',
  exhausted: 'last_line',
  not_started: 'error',
  not_prepared: 'error',
};

function isUsage(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return ['input_tokens', 'cached_input_tokens', 'output_tokens'].every(
    (count) => typeof value[count] === 'number',
  );
}
