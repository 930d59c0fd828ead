/** What a job holds in memory does not grow with its rows. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { S3Server } from './support/s3-server.js';
import { ROOT } from './support/site.js';

const MIB = 1024 * 1024;
const SIZE = 200 * MIB;
/** Of the program's own; what is read whole does not fit. */
const HEAP_MIB = 128;
/** Above what a job of one row takes. A whole input would be at least its own size. */
const MAX_GROWTH = 140 * MIB;

let folder: string;
let s3: S3Server;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-memory-'));
  s3 = await S3Server.start(folder, ['jobs']);
});
after(async () => {
  await S3Server.killAll();
  await rm(folder, { recursive: true, force: true });
});

/** An input of rows of one size. */
async function input(name: string, rows: number, rowBytes: number): Promise<string> {
  const path = join(folder, name);
  const text = 'x'.repeat(rowBytes);
  function* lines() {
    yield 'id,text\n';
    for (let n = 0; n < rows; n += 1) yield `${n},${text}\n`;
  }
  await pipeline(Readable.from(lines()), createWriteStream(path));
  return path;
}

/** Has a process of its own do all that a worker does with the rows. */
async function work(store: string, path: string, where: 'file' | 'store') {
  const program = join(ROOT, 'test/support/large-job.ts');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, '--import', 'tsx', program, store, path, where],
    { env: { ...process.env, ...s3.env }, cwd: ROOT },
  );
  return JSON.parse(stdout) as { total: number; peak: number };
}

const CASES: [what: string, rows: number, rowBytes: number, where: 'file' | 'store'][] = [
  ['many rows in a file', SIZE / 2048, 2000, 'file'],
  ['a page of large rows in a file', 40, SIZE / 40, 'file'],
  ['many rows in an object store', (0.75 * SIZE) / 2048, 2000, 'store'],
];

for (const [n, [what, rows, rowBytes, where]] of CASES.entries()) {
  test(`${what}: read, kept and merged in bounded memory`, async (t) => {
    const store = (name: string) =>
      where === 'file' ? join(folder, `${name}-${n}`) : `s3://jobs/${name}-${n}`;
    const small = await work(store('small'), await input('small.csv', 1, 1000), where);
    const path = await input('large.csv', rows, rowBytes);
    const large = await work(store('large'), path, where);
    assert.equal(large.total, rows);
    const growth = large.peak - small.peak;
    t.diagnostic(`${Math.round(growth / MIB)} MiB more than for one row`);
    assert.ok(growth < MAX_GROWTH, `${Math.round(growth / MIB)} MiB more than for one row`);
    if (where === 'file') assert.ok((await stat(`${path}.out.csv`)).size > rows * rowBytes);
  });
}
