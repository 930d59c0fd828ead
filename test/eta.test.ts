/** When a job ends in nine cases of ten, held against jobs whose rows end by chance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobStatus } from '../src/client.js';
import { etaAtP90 } from '../src/cli/eta.js';
import { Seeded } from './support/seeded.js';

const SECONDS = 60;
const LEFT = 300;
const JOBS = 2000;

/** Times at which rows end, some at once, without end. */
function* endings(random: Seeded, perSecond: number, atOnce: number): Generator<number> {
  for (let time = 0; ;) {
    time += (-Math.log(1 - random.next()) * atOnce) / perSecond;
    for (let n = 0; n < atOnce; n += 1) yield time;
  }
}

/** The share of jobs that are over by then. */
function shareInTime(seed: number, perSecond: number, atOnce: number): number {
  const random = new Seeded(seed);
  let inTime = 0;
  for (let job = 0; job < JOBS; job += 1) {
    const ended = Array.from({ length: SECONDS }, () => 0);
    let left = LEFT;
    let over = 0;
    for (const time of endings(random, perSecond, atOnce)) {
      if (time < SECONDS) ended[Math.floor(time)]! += 1;
      else if (--left === 0) over = time - SECONDS;
      if (left === 0) break;
    }
    const rate = ended.reduce((sum, count) => sum + count, 0) / SECONDS;
    const status = { rows_per_second: rate, eta_seconds: LEFT / rate } as JobStatus;
    if (over <= etaAtP90(status, ended)!) inTime += 1;
  }
  return inTime / JOBS;
}

test('nine jobs of ten are over by then, whether their rows end evenly or at once', () => {
  for (const [perSecond, atOnce] of [
    [5, 1],
    [20, 1],
    [5, 5],
  ] as const) {
    const share = shareInTime(1, perSecond, atOnce);
    assert.ok(share > 0.86 && share < 0.94, `${perSecond} a second, ${atOnce} at once: ${share}`);
  }
});

test('nothing is said of a job that has just begun, or of which no row ends', () => {
  const status = { rows_per_second: 1, eta_seconds: 10 } as JobStatus;
  assert.equal(etaAtP90(status, [1, 1, 1]), undefined);
  const stuck = { rows_per_second: 0, eta_seconds: null } as JobStatus;
  assert.equal(
    etaAtP90(
      stuck,
      Array.from({ length: 60 }, () => 0),
    ),
    undefined,
  );
});
