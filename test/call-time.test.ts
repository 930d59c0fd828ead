import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { within } from '../src/mcp/call-time.js';
import { until } from './support/site.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('the time of a call comes, whatever has been collected meanwhile', async () => {
  const never = new AbortController();
  const over = within(0.3, never.signal);
  let told = false;
  over.addEventListener('abort', () => (told = true));
  await until('it is over', () => {
    collectGarbage();
    return told;
  });
  assert.equal(over.aborted, true);
});

test('a call that is cancelled is over at once', () => {
  const cancel = new AbortController();
  const over = within(1000, cancel.signal);
  assert.equal(over.aborted, false);
  cancel.abort(new Error('by the client'));
  assert.equal((over.reason as Error).message, 'by the client');
  assert.equal(within(1000, cancel.signal).aborted, true);
});
