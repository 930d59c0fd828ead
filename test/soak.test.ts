/** What the soak takes for growth; the soak itself is `npm run soak`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growth, isFlat } from './soak/flatness.js';
import type { Sample } from './soak/samples.js';

/** Samples of a job that warms up for its first tenth, and then is as it is but for noise. */
function samples(grows: (rows: number) => Partial<Sample> = () => ({})): Sample[] {
  return Array.from({ length: 100 }, (_, n) => {
    const rows = n * 500;
    const noise = (n * 7) % 5;
    return {
      ...{ seconds: 36 * n, rows, database: 100_000 + 20_000 * rows },
      ...{ worker_memory: (n < 10 ? 100 + 10 * n : 200 + noise) * 1e6, worker_handles: 60 + noise },
      ...{ worker_threads: 20, processes: 34 + noise, remains: noise % 2, notes: 16, folders: 16 },
      ...{ server_memory: 300e6, server_handles: 40 + noise, ...grows(rows) },
    };
  });
}

const growing = (given: Sample[]) =>
  growth(given)
    .filter((each) => !isFlat(each))
    .map(({ name }) => name);

test('what warms up and then only wavers is flat', () => {
  assert.deepEqual(growing(samples()), []);
});

for (const [name, grows] of [
  ['worker_memory', (rows: number) => ({ worker_memory: 200e6 + 4000 * rows })],
  ['worker_handles', (rows: number) => ({ worker_handles: 60 + rows / 1000 })],
  ['processes', (rows: number) => ({ processes: 34 + rows / 1000 })],
  ['folders', (rows: number) => ({ folders: 16 + rows / 1000 })],
  ['database_per_row', (rows: number) => ({ database: 20_000 * rows + rows ** 2 })],
] as const) {
  test(`${name} that grows with the rows is found`, () => {
    assert.deepEqual(growing(samples(grows)), [name]);
  });
}
