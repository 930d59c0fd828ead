/** The benchmarks run and tell all figures; what they measure here means nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from './support/site.js';

test('the short form tells each figure with its target', async () => {
  const args = ['--import', 'tsx', 'bench/run.ts', '--short'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  const lines = stdout.trim().split('\n');
  for (const line of lines) assert.match(line, /^.+: [\d.]+( .*)? \(target: .+\)$/);
  const names = lines.map((line) => line.slice(0, line.indexOf(',')).split(':')[0]);
  assert.equal(new Set(lines).size, lines.length);
  for (const name of ['rows per second', 'report to final', 'worker memory', 'refill of a slot']) {
    assert.ok(
      names.some((told) => told!.startsWith(name)),
      `${name} in ${stdout}`,
    );
  }
});
