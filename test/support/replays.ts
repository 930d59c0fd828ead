/** Whether workflow code does again what a history says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { setTimeout as delay } from 'node:timers/promises';
import { dataConverterFor } from '../../src/data-converter.js';
import { parseKeys } from '../../src/encryption/keys.js';
import { encryptingBundle } from '../../src/worker.js';
import { runsOf } from './chain.js';
import { ROOT } from './site.js';

/** As far as it is looked at. */
export interface RecordedHistory {
  events: {
    workflowExecutionStartedEventAttributes?: { workflowId: string };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

const WORKFLOW_BUNDLE = join(ROOT, 'dist/workflow-bundle.js');

/** What to do about workflow code that does not do again what it did before. */
export const WHAT_TO_DO = `Jobs that run at the time of the upgrade would hang: their histories were made by the code as it was.
- Unless you meant to change the order or the kind of what the workflow does (activities, timers, children,
  signals, memo), undo what changed it.
- Else keep the old way for them:
    if (patched('what-changes')) { the new way } else { the old way }   // of @temporalio/workflow
  and record the new way beside the old one: npm run build && node --import tsx test/histories/record.ts VERSION
- Recorded histories are never changed or removed: what was started with them may still run.`;

export function readHistory(path: string): RecordedHistory {
  return JSON.parse(readFileSync(path, 'utf8')) as RecordedHistory;
}

/** Of histories whose name says that they are encrypted. No secret: it is of tests alone. */
export const RECORDED_KEYS = `recorded = ${Buffer.alloc(32, 'recorded').toString('base64')}\n`;

/**
 * @param codePath the bundle; that of workers without traces by default.
 * @throws where the workflow code does otherwise, with what to do.
 */
export async function replay(
  name: string,
  history: RecordedHistory,
  codePath = WORKFLOW_BUNDLE,
): Promise<void> {
  const { workflowId } = history.events[0]!.workflowExecutionStartedEventAttributes!;
  try {
    const keys = name.includes('encrypted') ? parseKeys(RECORDED_KEYS) : undefined;
    const workflowBundle =
      keys === undefined ? { codePath } : { code: await encryptingBundle(codePath) };
    const options = { workflowBundle, dataConverter: dataConverterFor(keys) };
    await Worker.runReplayHistory(options, history, workflowId);
  } catch (error) {
    throw new Error(`workflow code no longer replays ${name}: ${String(error)}\n${WHAT_TO_DO}`, {
      cause: error,
    });
  }
}

/**
 * Waits for something of jobs that go on with other code, unless that does not replay them.
 * @throws what the worker says of the task that failed, with what to do.
 */
export async function replayed<T>(
  client: Client,
  workflowIds: string[],
  wanted: Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const failed = async (): Promise<never> => {
    for (;;) {
      for (const id of workflowIds) {
        const failure = await failedTask(client, id);
        done.signal.throwIfAborted();
        if (failure !== undefined)
          throw new Error(`${id} does not go on: ${failure}\n${WHAT_TO_DO}`);
      }
      await delay(500, undefined, { signal: done.signal });
    }
  };
  const watch = failed();
  try {
    return await Promise.race([wanted, watch]);
  } finally {
    done.abort();
    // A call that is under way when the client closes is made again on the closed connection, and throws.
    await watch.catch(() => {});
  }
}

/** As the API numbers it: something came in between, and the task is done again. */
const UNHANDLED_COMMAND = 1;

/** Why a task of a workflow failed that must not; undefined where none did. */
export async function failedTask(client: Client, workflowId: string): Promise<string | undefined> {
  for (const runId of await runsOf(client, workflowId)) {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    for (const { workflowTaskFailedEventAttributes: failed } of events ?? []) {
      if (failed && failed.cause !== UNHANDLED_COMMAND) return failed.failure?.message ?? 'unknown';
    }
  }
  return undefined;
}
