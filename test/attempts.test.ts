/** Which failures are tried again, and when. */
import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { JobSpec } from '../src/client.js';
import { backoffMs } from '../src/workflows/retry-policy.js';
import { lightSpec } from './support/light-agent.js';
import { Site, readOutput, statusOf, until } from './support/site.js';

/** Stands in for Claude Code where its service refuses: its prompt is the class of the refusal. */
const CLAUDE = `#!/bin/sh
if [ "$1" = --version ]; then echo '9.9.9 (Claude Code)'; exit; fi
read -r class
echo '{"type":"assistant","error":"'"$class"'","message":{"id":"m","content":[]}}'
echo '{"type":"result","is_error":true,"result":"the service refuses: '"$class"'"}'
exit 1
`;

let site: Site;
const path = process.env['PATH'];
before(async () => {
  site = await Site.open();
  await chmod(await site.file('bin/claude', CLAUDE), 0o755);
  process.env['PATH'] = `${site.folder}/bin:${path}`;
  await site.worker();
});
after(async () => {
  process.env['PATH'] = path;
  await site.close();
});

const service = async (row: string, spec: Partial<JobSpec> = {}): Promise<JobSpec> => ({
  csv_path: await site.file(`${row}.csv`, `id,class\n${row},${row}\n`),
  id_column: 'id',
  instruction: '{class}',
  agent: { preset: 'claude' },
  max_attempts: 3,
  report_grace_seconds: 0,
  ...spec,
});

/** The waits of an item between its attempts so far, in milliseconds, as the server has them. */
async function waitsOf(jobId: string, itemId: string): Promise<number[]> {
  const { events } = await site.client.workflow.getHandle(`${jobId}/${itemId}`).fetchHistory();
  const waits = events!.flatMap(({ timerStartedEventAttributes: timer }) => {
    const { seconds = 0, nanos = 0 } = timer?.startToFireTimeout ?? {};
    return timer ? [1000 * Number(seconds) + Number(nanos) / 1e6] : [];
  });
  // The grace for reports is none.
  return waits.filter((wait) => wait > 1);
}

test('an agent that is not logged in is not asked again', async () => {
  const job = await site.jobs.start(await service('authentication_failed'));
  const { failures, output_csv_path } = await job.result();
  assert.match(failures[0]!.last_error, /\(login\): the service refuses/);
  assert.equal((await readOutput(output_csv_path))[0]!['attempt_count'], '1');
  assert.deepEqual(await waitsOf(job.jobId, 'authentication_failed'), []);
});

test('one that has met a rate limit is asked again by its job, and holds no slot meanwhile', async () => {
  const job = await site.jobs.start(await service('rate_limit'));
  const pause = await until('the job is paused', async () => (await job.status()).paused ?? false);
  assert.match(pause.reason, /\(rate_limited\): the service refuses/);
  const ms = Date.parse(pause.until!) - Date.parse(pause.since);
  assert.ok(ms >= 5000 && ms <= 10_000, `${ms} ms`);
  assert.equal((await statusOf(job)).running, 0);
  assert.deepEqual(await waitsOf(job.jobId, 'rate_limit'), []);
  await job.cancel();
  await job.result();
});

test('rows that have failed together do not come back together', async () => {
  const rows = Object.fromEntries(Array.from({ length: 4 }, (_, n) => [`r${n}`, 'exit 1']));
  const spec = await lightSpec(site, rows, { max_attempts: 3, report_grace_seconds: 0 });
  const job = await site.jobs.start(spec);
  const { failed, output_csv_path } = await job.result();
  assert.equal(failed, 4);
  const output = await readOutput(output_csv_path);
  assert.ok(output.every(({ attempt_count }) => attempt_count === '3'));
  const waits = await Promise.all(Object.keys(rows).map((id) => waitsOf(job.jobId, id)));
  for (const [first, second] of waits) {
    assert.ok(first! >= 500 && first! <= 1000, `${first} ms`);
    assert.ok(second! >= 1000 && second! <= 2000, `${second} ms`);
  }
  assert.equal(new Set(waits.map(String)).size, 4);
});

test('waits double up to a limit', () => {
  const seconds = (chance: number) =>
    [1, 2, 3, 7, 50, 100].map((attempt) => backoffMs(attempt, chance) / 1000);
  assert.deepEqual(seconds(0), [1, 2, 4, 60, 60, 60]);
  assert.deepEqual(seconds(1), [0.5, 1, 2, 30, 30, 30]);
});
