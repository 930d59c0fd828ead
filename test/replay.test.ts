/** Jobs that run while the workflow code is changed go on with the new code: it must replay them. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHistory, replay } from './support/replays.js';
import { ROOT, quietRuntime } from './support/site.js';

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
    await replay(name, readHistory(join(FOLDER, name)), codePath);
  });
}

test('a history that does not replay says what to do', async () => {
  quietRuntime();
  const history = readHistory(join(FOLDER, '0.1-item-completed.json'));
  // As if the code of that time had called another activity first.
  const [first] = history.events.flatMap(
    (event) => event.activityTaskScheduledEventAttributes ?? [],
  );
  first!.activityType.name = 'another';
  await assert.rejects(replay('of another time', history), (error: Error) => {
    assert.match(error.message, /^workflow code no longer replays of another time: .*another/s);
    assert.match(error.message, /Jobs that run .* would hang.*patched\(.*record\.ts VERSION/s);
    return true;
  });
});
