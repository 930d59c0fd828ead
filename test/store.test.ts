/** What every job store keeps to, a folder and an object store alike. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { Json, RowOutcome } from '../src/job.js';
import { type Keys, parseKeys } from '../src/encryption/keys.js';
import { type BlobStore, StoreError } from '../src/store/blob-store.js';
import { InputPages } from '../src/store/input-pages.js';
import { PAGE_ROWS } from '../src/store/job-record.js';
import { JobStore } from '../src/store/job-store.js';
import { openStore } from '../src/store/open-store.js';
import { OutcomeIndex } from '../src/store/outcome-index.js';
import { S3Server } from './support/s3-server.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-store-'));
  const server = await S3Server.start(folder, ['jobs', 'whole']);
  Object.assign(process.env, server.env);
});
after(async () => {
  await S3Server.killAll();
  await rm(folder, { recursive: true, force: true });
});

async function bytes(chunks: AsyncIterable<Uint8Array> | undefined): Promise<Buffer | undefined> {
  return chunks && buffer(chunks);
}

const inFolder = (name: string) => join(folder, name);
const inBucket = (name: string) => `s3://jobs/some/${name}`;
const KEYS = parseKeys(`k1 = ${'12'.repeat(32)}`);
const STORES: [kind: string, location: (name: string) => string, keys?: Keys][] = [
  ['a folder', inFolder],
  ['an object store', inBucket],
  ['an encrypted folder', (name) => inFolder(`encrypted-${name}`), KEYS],
  ['an encrypted object store', (name) => inBucket(`encrypted-${name}`), KEYS],
];

for (const [kind, location, keys] of STORES) {
  describe(kind, () => {
    let store: BlobStore;
    before(() => (store = openStore(location('contract'), keys)));

    test('what is put is there, whole', async () => {
      await store.put('jobs/a/job.json', 'Ünïcode\n');
      assert.equal(await store.get('jobs/a/job.json'), 'Ünïcode\n');
      await store.put('jobs/a/job.json', 'anew');
      assert.equal(await store.get('jobs/a/job.json'), 'anew');
      await store.put('jobs/a/empty', '');
      assert.equal(await store.get('jobs/a/empty'), '');
      assert.equal((await bytes(await store.getStream('jobs/a/empty')))?.length, 0);
      assert.equal(await store.get('jobs/a/none'), undefined);
      assert.equal(await store.getStream('jobs/a/none'), undefined);
    });

    test('of those who put a value that is not there, one succeeds', async () => {
      const values = Array.from({ length: 8 }, (_, n) => String(n));
      const written = await Promise.all(values.map((value) => store.putIfAbsent('once', value)));
      assert.equal(written.filter(Boolean).length, 1);
      assert.equal(await store.get('once'), values[written.indexOf(true)]);
      assert.equal(await store.putIfAbsent('once', 'later'), false);
      assert.equal(await store.get('once'), values[written.indexOf(true)]);
    });

    test('a stream is written and read whole, also a large one; a broken one not at all', async () => {
      const chunk = Buffer.alloc(1_000_000, 'äx');
      async function* chunks(count: number, fault?: Error) {
        yield 'öpens ';
        for (let n = 0; n < count; n += 1) yield chunk;
        if (fault !== undefined) throw fault;
      }
      const start = Buffer.from('öpens ');
      for (const count of [0, 1, 20]) {
        await store.putStream('stream', chunks(count));
        const whole = Buffer.concat([start, ...Array.from({ length: count }, () => chunk)]);
        assert.ok(whole.equals((await bytes(await store.getStream('stream')))!), `${count} chunks`);
      }
      const fault = new Error('the source is gone');
      await assert.rejects(store.putStream('broken', chunks(20, fault)), fault);
      assert.equal(await store.get('broken'), undefined);
    });

    test('keys are listed by prefix, as folders, sorted and without end', async () => {
      const logs = Array.from({ length: 1020 }, (_, n) => `l/logs/${n}.1.1.txt`);
      for (let n = 0; n < logs.length; n += 50) {
        await Promise.all(logs.slice(n, n + 50).map((key) => store.put(key, '')));
      }
      await store.put('l/logs/deep/er', '');
      assert.deepEqual(await store.list('l/logs/'), [...logs, 'l/logs/deep/'].toSorted());
      assert.deepEqual(await store.list('l/'), ['l/logs/']);
      assert.deepEqual(await store.list('l/logs/101.'), ['l/logs/101.1.1.txt']);
      assert.equal((await store.list('l/logs/101')).length, 11);
      assert.deepEqual(await store.list('l/none/'), []);
    });

    test('a batch that is written again by a repeated activity changes nothing', async () => {
      const job = new JobStore(store).job('batches');
      const header = (completed: number) => ({
        at: '2026-01-01T00:00:00.000Z',
        counts: { completed, failed: 0, cancelled: 0 },
      });
      const outcome = (row: number, result: Json): RowOutcome => [
        row,
        {
          status: 'completed',
          attempt_count: 1,
          completed_at: header(0).at,
          reported_at: header(0).at,
          result: { inline: result },
        },
      ];
      const first = [outcome(0, 'a'), outcome(2, 'c')];
      await job.saveOutcomes(0, header(2), first);
      await job.saveOutcomes(1, header(3), [outcome(1, 'b')]);
      // Also by one that was taken for dead, after the batches that follow.
      assert.equal(await job.saveOutcomes(0, header(9), first), false);
      assert.equal((await job.batches()).length, 2);
      assert.deepEqual(await job.lastBatch(), header(3));
      const index = await OutcomeIndex.of(job, 4);
      const known = await Promise.all([0, 1, 2, 3].map((row) => index.get(row)));
      assert.deepEqual(known, [first[0]![1], outcome(1, 'b')[1], first[1]![1], undefined]);
      // Of a job that was reset, and so has other outcomes with the same number: the last ones count.
      const second = [outcome(0, 'again')];
      assert.equal(await job.saveOutcomes(0, header(2), second), true);
      assert.equal(await job.saveOutcomes(0, header(2), second), false);
      assert.equal((await job.batches()).length, 3);
      const anew = await OutcomeIndex.of(job, 4);
      assert.deepEqual([await anew.get(0), await anew.get(2)], [second[0]![1], first[1]![1]]);
    });

    test('rows of all sizes are kept in pages that are small', async () => {
      const job = new JobStore(store).job('pages');
      const rows = Array.from({ length: PAGE_ROWS + 2 }, (_, n) => ({
        item_id: `row-${n + 1}`,
        source_id: '',
        row: { text: n % 200 === 7 ? 'ä'.repeat(300_000) : `"${n}"\n` },
      }));
      const pages = new InputPages(job);
      for (const row of rows) await pages.add(row);
      await pages.end();
      for (const [number, length] of [PAGE_ROWS, 2].entries()) {
        const page = await job.page(number);
        assert.equal(page.length, length);
        assert.ok(JSON.stringify(page).length < 100_000);
        for (const [n, row] of page.entries()) {
          const { item_id, source_id, row: cells } = rows[number * PAGE_ROWS + n]!;
          assert.deepEqual([row.item_id, row.source_id], [item_id, source_id]);
          assert.deepEqual(await job.cells(row), cells);
        }
      }
    });

    test('it has one identity, whoever asks first', async () => {
      const others = Array.from({ length: 4 }, () => openStore(location('identity')).id());
      assert.equal(new Set(await Promise.all(others)).size, 1);
    });
  });
}

test('an object store may be a whole bucket', async () => {
  const store = openStore('s3://whole');
  await store.put('jobs/a/job.json', 'a job');
  assert.deepEqual(await store.list('jobs/'), ['jobs/a/']);
  assert.equal(await store.get('jobs/a/job.json'), 'a job');
  assert.equal(store.locate('jobs/a/job.json'), 's3://whole/jobs/a/job.json');
});

test('an object store tells where it is', () => {
  const store = openStore('s3://jobs/some/where/');
  assert.equal(store.location, 's3://jobs/some/where');
  assert.equal(
    store.locate('jobs/a/patches/0.1.1.patch'),
    's3://jobs/some/where/jobs/a/patches/0.1.1.patch',
  );
});

test('what cannot be a store is refused by name', () => {
  for (const location of ['s3://', 's3:///x', 'gs://bucket']) {
    assert.throws(() => openStore(location), StoreError);
  }
});

describe('an object store that cannot be used says why', () => {
  const refused = async (what: RegExp, location = 's3://jobs') =>
    assert.rejects(openStore(location).id(), (error: Error) => {
      assert.equal(error.name, 'StoreError', error.stack);
      assert.match(error.message, /^the job store s3:\/\/\S+ cannot be used: /);
      assert.match(error.message, what);
      return true;
    });

  test('there is no such bucket', () => refused(/no bucket none at http.*Make it/, 's3://none/x'));

  test('the keys are wrong', async (t) => {
    const { AWS_SECRET_ACCESS_KEY } = process.env;
    t.after(() => (process.env['AWS_SECRET_ACCESS_KEY'] = AWS_SECRET_ACCESS_KEY));
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong';
    await refused(/does not take the AWS credentials/);
  });

  test('there are no keys', async (t) => {
    const { AWS_ACCESS_KEY_ID, HOME } = process.env;
    t.after(() => Object.assign(process.env, { AWS_ACCESS_KEY_ID, HOME }));
    delete process.env['AWS_ACCESS_KEY_ID'];
    process.env['HOME'] = folder;
    await refused(/there are no AWS credentials/);
  });

  test('nobody listens', async (t) => {
    const { AWS_ENDPOINT_URL_S3 } = process.env;
    t.after(() => (process.env['AWS_ENDPOINT_URL_S3'] = AWS_ENDPOINT_URL_S3));
    process.env['AWS_ENDPOINT_URL_S3'] = 'http://127.0.0.1:1';
    await refused(/no S3 server answers at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/);
  });
});
