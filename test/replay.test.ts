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
const WORKFLOW_BUNDLE = join(ROOT, 'dist/workflow-bundle.js');

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.json'))) {
  test(`the history ${name} replays`, async () => {
    quietRuntime();
    const history = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as RecordedHistory;
    const { workflowId } = history.events[0].workflowExecutionStartedEventAttributes;
    try {
      await Worker.runReplayHistory(
        { workflowBundle: { codePath: WORKFLOW_BUNDLE }, dataConverter },
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
