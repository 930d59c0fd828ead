/** The benchmarks run and tell all figures; what they measure here means nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { emptySlots, meanInFlight } from '../bench/slots.js';
import { within } from '../bench/within.js';
import { ROOT } from './support/site.js';

/** The rows of the table, each with a number: a pattern for what is measured. */
const FIGURES = [
  /^rows per second, .* of the bare minimum$/,
  /^worker CPU per row, .* of the bare minimum$/,
  /^server CPU per row, .* of the bare minimum$/,
  /^report to final, p50, 8 in flight, of the bare minimum$/,
  /^report to final, p99, 8 in flight, of the bare minimum$/,
  /^history events of the job per row, 40 rows, 64 in flight$/,
  /^history events of the job per row, 40 rows, 8 in flight$/,
  /^external items at once in one job$/,
  /^refill of a slot, p99 over p50, 16 in flight, /,
  /^mean in flight, of 16, /,
  /^refill of a slot, p99 over p50, 8 in flight, .* in addition$/,
  /^mean in flight, of 8, .* in addition$/,
  /^slots kept full, 8 agents of 1 s, /,
  /^slots kept full, 12 agents of 2 s, /,
  /^slots of a host kept full, 4 agents of 1 s with 6 rows in flight, /,
  /^slots of a host kept full, 8 agents of 1 s with 12 rows in flight, /,
  /^slots of a host kept full, 12 agents of 2 s with 16 rows in flight, /,
  /^rows per second, one job of 80 rows over 1 of 40$/,
  /^most memory of the worker, one job of 80 rows over 1 of 40$/,
  /^rows of the output that differ from the input, by another program, 80 rows$/,
  /^history events of the job per row, 80 rows, /,
  /^longest history of a run, in events, /,
  /^the same in MB$/,
  /^arguments at continue-as-new in KB, /,
];

/** For a machine with much else to do; its waits end by themselves before. */
const SHORT_FORM_MS = 8 * 60_000;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-bench-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function bench(...args: string[]): Promise<string> {
  // SIGTERM has it end its server and workers.
  const bounded = { cwd: ROOT, timeout: SHORT_FORM_MS, killSignal: 'SIGTERM' } as const;
  const command = ['--import', 'tsx', 'bench/run.ts', ...args];
  return (await promisify(execFile)(process.execPath, command, bounded)).stdout;
}

test('the short form tells each figure of the table with a number and its target', async () => {
  await bench('--short', '--output', folder);
  const text = await readFile(join(folder, 'RESULTS.md'), 'utf8');
  const table = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, what]) => what !== 'what' && !what!.startsWith('---'));
  for (const [, what, target, measured] of table) {
    assert.match(measured!, /^\d+(\.\d+)?( \(.+\))?$/, what);
    assert.doesNotMatch(measured!, /NaN|Infinity|undefined/, what);
    assert.match(target!, /\d|none/, what);
  }
  const names = table.map(([, what]) => what!);
  for (const figure of FIGURES) {
    assert.equal(names.filter((name) => figure.test(name)).length, 1, `${figure} in ${text}`);
  }
  assert.equal(names.length, FIGURES.length, text);
  // What was not measured is said; what was, is not.
  assert.match(text, /## Missing\s+- codex: not measured\s+!\[/);

  const svg = await readFile(join(folder, 'chart.svg'), 'utf8');
  assert.match(svg, /<polyline class="line speed" points="[\d., ]+"/);
  assert.match(svg, /<polyline class="line total" points="[\d., ]+"/);
  assert.match(svg, /<polyline class="line longest" points="[\d., ]+"/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});

test('a section that is not there is refused', async () => {
  await assert.rejects(
    bench('--only', 'speed'),
    /There is no section speed\. There are: throughput/,
  );
});

test('a wait that is too long ends, and says for what', async () => {
  const never = new Promise<never>(() => {});
  await assert.rejects(
    within('the end of time', 0.01, never),
    /^Error: the end of time: not within/,
  );
});

test('slots are empty from an end to the start that it makes room for', () => {
  // Two slots: the first is free at 10 and taken at 12, the second at 11 and at 15.
  assert.deepEqual(emptySlots([0, 1, 12, 15], [10, 11, 20, 20], 2), [2, 4]);
  // From 1 to 15 both are full, but for 2 and 4 of the 14.
  assert.equal(meanInFlight([0, 1, 12, 15], [10, 11, 20, 20], 2), (28 - 6) / 14);
});
