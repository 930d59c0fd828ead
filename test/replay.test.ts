/** Jobs that run while the workflow code is changed go on with the new code: it must replay them. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from '@temporalio/worker';
import { dataConverter } from '../src/data-converter.js';
import { ROOT, quietRuntime } from './support/site.js';

interface RecordedHistory {
  events: [{ workflowExecutionStartedEventAttributes: { workflowId: string } }];
}

const FOLDER = join(ROOT, 'test/histories');
/** A worker that sends traces may take over what one without has begun. */
const BUNDLES = { '': 'workflow-bundle.js', ', traced': 'workflow-bundle-traced.js' };

const names = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
const cases = Object.entries(BUNDLES).flatMap(([how, bundle]) =>
  names.map((name) => ({ name, how, codePath: join(ROOT, 'dist', bundle) })),
);
for (const { name, how, codePath } of cases) {
  test(`the history ${name} replays${how}`, async () => {
    quietRuntime();
    const history = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as RecordedHistory;
    const { workflowId } = history.events[0].workflowExecutionStartedEventAttributes;
    try {
      await Worker.runReplayHistory(
        { workflowBundle: { codePath }, dataConverter },
        history,
        workflowId,
      );
    } catch (error) {
      assert.fail(
        `workflow code no longer replays ${name}: ${String(error)}\n` +
          'Jobs that run would be stuck. Keep the old way for them with patched(), and record the ' +
          'new way beside it: node --import tsx test/histories/record.ts VERSION',
      );
    }
  });
}
