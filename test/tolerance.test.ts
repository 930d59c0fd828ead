/** How many failed rows a job takes before it halts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobSpec, JobSummary } from '../src/client.js';
import { cli } from './support/cli.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, readOutput, statusOf, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker({ concurrency: 32 });
});
after(() => site.close());

const FAILS = 'exit 1';
const gate = (name: string) => join(site.folder, name);
const waitFor = (name: string) => `until [ -e ${gate(name)} ]; do sleep 0.05; done`;

/** The rows by status, in the output as in the summary. */
async function statusesOf(summary: JobSummary): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of await readOutput(summary.output_csv_path)) {
    counts[status!] = (counts[status!] ?? 0) + 1;
  }
  const { completed, failed, cancelled, pending } = summary;
  const told = Object.entries({ completed, failed, cancelled, pending });
  assert.deepEqual(counts, Object.fromEntries(told.filter(([, count]) => count > 0)));
  return counts;
}

async function ended(rows: Record<string, string>, spec: Partial<JobSpec>) {
  const job = await site.jobs.start(
    await lightSpec(site, rows, { report_grace_seconds: 0, ...spec }),
  );
  return job.result();
}

describe('failures are tolerated up to a limit', { concurrency: 4 }, () => {
  it('a job most of whose rows fail has failed, and leaves the rest', async () => {
    // As it was met in the wild: 286 of 299 rows failed, and the job was called completed.
    const rows = rowsOf(299, (n) => (n % 23 === 0 ? `report ${n}` : FAILS));
    const summary = await ended(rows, { max_concurrency: 8, tolerated_failure_percentage: 10 });
    assert.equal(summary.verdict, 'failed');
    assert.match(summary.halt_reason!, /^\d+ of \d+ rows have failed, 10 % are tolerated$/);
    const { pending, failed } = await statusesOf(summary);
    // Twenty rows tell enough; those that ran by then have come to their end.
    assert.ok(pending! >= 299 - 20 - 2 * 8, `${pending} pending`);
    assert.ok(failed! >= 18);
  });

  it('without a limit all rows are worked on, and the job is not a success', async () => {
    const rows = rowsOf(46, (n) => (n % 23 === 0 ? `report ${n}` : FAILS));
    const summary = await ended(rows, { max_concurrency: 16 });
    assert.deepEqual([summary.verdict, summary.halt_reason], ['partial', null]);
    assert.deepEqual(await statusesOf(summary), { completed: 2, failed: 44 });
  });

  it('lets those that run come to their end, and starts no more', async () => {
    const rows = {
      runs: `${waitFor('runs-on')}; report 1`,
      fails: FAILS,
      next: `touch ${gate('next-began')}; report 1`,
      last: 'report 1',
    };
    const job = await site.jobs.start(
      await lightSpec(site, rows, {
        max_concurrency: 2,
        tolerated_failures: 0,
        report_grace_seconds: 0,
      }),
    );
    const status = await until('it halts', async () => {
      const now = await job.status();
      return now.halt_reason !== null && now;
    });
    assert.deepEqual(
      [status.state, status.halt_reason, status.running],
      ['stopping', '1 row has failed, none is tolerated', 1],
    );
    await assert.rejects(job.retryItem('fails'), /has halted and starts no more rows: 1 row has/);
    await site.file('runs-on', '');
    const summary = await job.result();
    assert.equal(summary.verdict, 'failed');
    assert.deepEqual(await statusesOf(summary), { completed: 1, failed: 1, pending: 2 });
    assert.equal(existsSync(gate('next-began')), false);
    const closed = await site.client.workflow.getHandle(job.jobId).describe();
    assert.equal(closed.status.name, 'FAILED');
  });

  it('takes as many failures as it is told, and no more', async () => {
    const rows = rowsOf(12, (n) => (n < 3 ? FAILS : `report ${n}`));
    const three = await ended(rows, { max_concurrency: 1, tolerated_failures: 3 });
    assert.deepEqual([three.verdict, three.completed, three.failed], ['partial', 9, 3]);
    const two = await ended(rows, { max_concurrency: 1, tolerated_failures: 2 });
    assert.deepEqual([two.verdict, two.failed, two.pending], ['failed', 3, 9]);
    assert.equal(two.halt_reason, '3 rows have failed, 2 are tolerated');
  });

  it('judges a share by twenty rows, or by all', async () => {
    // The first of them fail, and mean nothing yet.
    const many = rowsOf(24, (n) => (n < 6 ? FAILS : `report ${n}`));
    const share = (percentage: number) => ({
      max_concurrency: 1,
      tolerated_failure_percentage: percentage,
    });
    const within = await ended(many, share(30));
    assert.deepEqual([within.verdict, within.completed], ['partial', 18]);
    const beyond = await ended(many, share(29));
    assert.deepEqual([beyond.verdict, beyond.completed, beyond.pending], ['failed', 14, 4]);
    const few = await ended(
      rowsOf(4, (n) => (n < 2 ? FAILS : `report ${n}`)),
      share(49),
    );
    assert.deepEqual([few.verdict, few.completed, few.pending], ['failed', 2, 0]);
    assert.equal(few.halt_reason, '2 of 4 rows have failed, 49 % are tolerated');
  });

  it('goes on where what has failed is tolerated after all, and halts where it is not any more', async () => {
    const rows = {
      fails: FAILS,
      runs: `${waitFor('goes-on')}; report 1`,
      more: 'report 2',
      waits: `${waitFor('waits-on')}; report 3`,
      never: 'report 4',
    };
    const job = await site.jobs.start(
      await lightSpec(site, rows, {
        max_concurrency: 2,
        tolerated_failures: 0,
        report_grace_seconds: 0,
      }),
      { jobId: 'tolerant' },
    );
    await until('it halts', async () => (await job.status()).halt_reason !== null);
    const shown = await cli(['status', 'tolerant'], { env: site.processEnv });
    assert.match(shown.stdout, /halted +1 row has failed, none is tolerated/);
    const set = await cli(['set', 'tolerant', '--tolerated-failures', '1'], {
      env: site.processEnv,
    });
    assert.deepEqual(
      [set.code, set.stdout],
      [0, 'Job tolerant goes on with tolerated_failures 1.\n'],
    );
    await until('another has begun', async () => (await job.status()).completed === 1);
    assert.equal((await statusOf(job)).halt_reason, null);
    await until('two run', async () => (await job.status()).running === 2);
    await job.set({ tolerated_failures: 0 });
    for (const name of ['goes-on', 'waits-on']) await site.file(name, '');
    const summary = await job.result();
    assert.equal(summary.verdict, 'failed');
    assert.deepEqual(await statusesOf(summary), { completed: 3, failed: 1, pending: 1 });
  });

  it('once it has halted, goes on by nothing that is set but its tolerance', async () => {
    const rows = rowsOf(30, (n) => (n < 20 ? FAILS : `${waitFor('late')}; report ${n}`));
    const job = await site.jobs.start(
      await lightSpec(site, rows, {
        max_concurrency: 25,
        tolerated_failure_percentage: 90,
        report_grace_seconds: 0,
      }),
    );
    await until('it halts', async () => (await job.status()).halt_reason !== null);
    const page = join(site.folder, 'halted.html');
    await job.reportHtml(page);
    assert.match(await readFile(page, 'utf8'), /20 of 20 rows have failed, 90 % are tolerated/);
    // With what completes now, the share would be within what is tolerated.
    await job.set({ max_concurrency: 24 });
    await site.file('late', '');
    const summary = await job.result();
    assert.equal(summary.verdict, 'failed');
    assert.match(summary.halt_reason!, /^20 of 20 rows have failed/);
  });

  it('is told by the command line', async () => {
    const { csv_path } = await lightSpec(site, { a: FAILS, b: 'report 1' });
    const run = (...options: string[]) =>
      cli(
        [
          ...['run', csv_path, '--instruction', '{shell}', '--id-column', 'id'],
          ...['--max-concurrency', '1', ...options],
          ...['--', 'bash', '-c', 'exit 1'],
        ],
        { env: site.processEnv },
      );
    const fast = await run('--fail-fast');
    assert.equal(fast.code, 3);
    assert.match(fast.stdout, /halted +1 row has failed, none is tolerated/);
    assert.match(fast.stdout, /1 not processed/);
    assert.equal((await run('--fail-fast', '--tolerated-failures', '3')).code, 2);
    const wrong = await run('--tolerated-failure-percentage', '101');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--tolerated-failure-percentage: Too big/);
  });
});
