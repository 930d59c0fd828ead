import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Site, type Step, readOutput, statusOf, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
});
after(() => site.close());

test('rows that wait for a slot of a worker lose nothing of their time', async () => {
  const worker = await site.worker({ concurrency: 2 });
  // All are scheduled at once, and the last begins long after the seconds that each is allowed.
  const rows = Array.from({ length: 32 }, (_, n) => {
    const steps: Step[] = [
      ['sleep', 400],
      ['report', n],
    ];
    return [`r${n}`, steps] as const;
  });
  const spec = await site.spec(Object.fromEntries(rows), {
    max_concurrency: 32,
    max_runtime_seconds: 6,
  });
  const summary = await (await site.jobs.start(spec)).result();
  worker.shutdown();
  await worker.done;
  const took = Date.parse(summary.ended_at) - Date.parse(summary.started_at);
  assert.ok(took > 6000, `the queue took ${took} ms: too short to tell`);
  assert.deepEqual([summary.verdict, summary.completed, summary.failed], ['succeeded', 32, 0]);
  const output = await readOutput(summary.output_csv_path);
  assert.deepEqual([...new Set(output.map(({ attempt_count }) => attempt_count))], ['1']);
});

test('a slot is refilled as its row settles, while another row goes on', async () => {
  await site.worker({ concurrency: 2 });
  const gate = join(site.folder, 'gate');
  const last = join(site.folder, 'last');
  const spec = await site.spec(
    {
      slow: [
        ['wait-for', gate],
        ['report', 'slow'],
      ],
      b: [['report', 'b']],
      c: [['report', 'c']],
      d: [
        ['touch', last],
        ['report', 'd'],
      ],
    },
    { max_concurrency: 2 },
  );
  const job = await site.jobs.start(spec);
  await until('the last row runs beside the first', () => existsSync(last));
  await until('all but the first are done', async () => (await job.status()).completed === 3);
  assert.equal((await statusOf(job)).running, 1);
  await site.file('gate', '');
  assert.equal((await job.result()).verdict, 'succeeded');
});
