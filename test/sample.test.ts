/** A few rows first, and a deadline for the job as a whole. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobHandle, JobSpec } from '../src/client.js';
import { runsOf } from './support/chain.js';
import { standIn } from './support/claude.js';
import { MAIN, cli } from './support/cli.js';
import { LIGHT_AGENT, lightSpec, rowsOf } from './support/light-agent.js';
import { isGroupGone, pidsIn } from './support/processes.js';
import { Site, readOutput, statusOf, until } from './support/site.js';
import { Terminal, hasTmux } from './support/terminal.js';

const THRESHOLD = 60;

let site: Site;
let leave: () => void;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': THRESHOLD },
  });
  leave = await standIn(
    site,
    `report 1
    echo '{"type":"result","total_cost_usd":0.02,"usage":{"input_tokens":900,"output_tokens":100}}'`,
  );
  await site.worker();
});
after(async () => {
  leave();
  await site.close();
});

/** A command line over so many rows; those that were started leave a line each in a file. */
async function sampled(jobId: string, ...options: string[]): Promise<string[]> {
  const ids = Array.from({ length: 12 }, (_, n) => `r${n}`);
  const input = await site.file(`${jobId}.csv`, `id\n${ids.join('\n')}\n`);
  return [
    ...['run', input, '--job-id', jobId, '--id-column', 'id', '--instruction', 'do'],
    ...['--max-concurrency', '2', '--agent', 'claude', ...options],
  ];
}

describe('a sample', { concurrency: 3 }, () => {
  it('is run first, and the job is then paused until it is resumed', async () => {
    const { code, stdout, stderr } = await cli(await sampled('nobody', '--sample', '5'), {
      env: site.processEnv,
    });
    assert.deepEqual([code, stdout], [5, '']);
    assert.match(stderr, /^Sample of 5 rows: 5 completed\.$/m);
    assert.match(
      stderr,
      /^A row takes \d.*, 1000 tokens, \$0\.0200\. With the other 7 rows, the job as a whole: .* to go, 12k tokens, \$0\.2400\.$/m,
    );
    assert.match(stderr, /paused after its sample\. To go on: agent-jobs resume nobody/);
    const job = site.jobs.job('nobody');
    const { state, completed, running, paused } = await job.status();
    assert.deepEqual([state, completed, running], ['paused', 5, 0]);
    assert.match(
      paused!.reason,
      /^sample: 5 of 12 rows are done; agent-jobs resume starts the others/,
    );
    assert.equal((await cli(['resume', 'nobody'], { env: site.processEnv })).code, 0);
    const summary = await job.result();
    assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 12]);
    // None of them twice.
    const output = await readOutput(summary.output_csv_path);
    assert.ok(output.every((row) => row['attempt_count'] === '1'));
    assert.equal(summary.usage?.cost_usd, 0.24);
  });

  it('is gone on from without being asked, or where there is nothing left to ask', async () => {
    const yes = await cli(await sampled('yes', '--sample', '3', '--yes'), { env: site.processEnv });
    assert.equal(yes.code, 0, yes.stderr);
    assert.match(yes.stderr, /^Sample of 3 rows/m);
    assert.match(yes.stdout, /12 of 12 rows completed/);
    const all = await cli(await sampled('all', '--sample', '12'), { env: site.processEnv });
    assert.deepEqual([all.code, /Sample/.test(all.stderr)], [0, false]);
  });

  it('asks on a terminal', { skip: !hasTmux() }, async () => {
    const open = async (jobId: string, answer: string, meanwhile?: () => Promise<void>) => {
      const terminal = await Terminal.open(
        [process.execPath, MAIN, ...(await sampled(jobId, '--sample', '2'))],
        { columns: 120, rows: 30 },
        { env: site.processEnv, cwd: site.folder },
      );
      try {
        await until('it asks', async () =>
          /Go on with the other 10 rows\? \[y\/N\]/.test(await terminal.scrollback()),
        );
        await meanwhile?.();
        await terminal.key(answer);
        await terminal.key('Enter');
        await until('it has ended', async () => /exit code \d/.test(await terminal.scrollback()));
        return await terminal.scrollback();
      } finally {
        await terminal.close();
      }
    };
    const [no, yes, ended] = await Promise.all([
      open('asked-no', 'n'),
      open('asked-yes', 'y'),
      open('asked-late', 'y', () => site.jobs.job('asked-late').stop('by somebody else')),
    ]);
    assert.match(no, /stopped[^]*2 of 12 rows completed, 10 not processed[^]*exit code 4/);
    assert.match(yes, /succeeded[^]*12 of 12 rows completed[^]*exit code 0/);
    assert.match(ended, /stopped[^]*by somebody else[^]*exit code 4/);
    assert.doesNotMatch(ended, /unexpected error/);
  });

  it('is over where it is resumed before its end', async () => {
    const gate = join(site.folder, 'gate');
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.02; done`;
    const spec = await lightSpec(
      site,
      rowsOf(6, (n) => `${n === 0 ? wait : 'true'}; report ${n}`),
    );
    const job = await site.jobs.start({ ...spec, sample: 1 });
    await until('it runs', async () => (await job.status()).running === 1);
    await job.resume();
    await until('the others are done', async () => (await job.status()).completed === 5);
    await site.file('gate', '');
    assert.equal((await job.result()).verdict, 'succeeded');
  });
});

describe('a sample beside other pauses and kept rows', { concurrency: 3 }, () => {
  const sampledPause = (job: JobHandle) =>
    until(`${job.jobId} is paused for its sample`, async () => {
      const status = await job.status();
      return status.paused?.sample === true && status;
    });

  it('is of the rows that a rerun runs, and so is what they tell of the others', async () => {
    const mended = join(site.folder, 'mended');
    const rows = rowsOf(7, (n) => (n < 4 ? `report ${n}` : `[ -e ${mended} ] && report ${n}`));
    const first = await site.jobs.start(await lightSpec(site, rows, { report_grace_seconds: 0 }));
    assert.equal((await first.result()).failed, 3);
    await site.file('mended', '');
    const again = await site.jobs.rerun(
      first.jobId,
      { statuses: ['failed'] },
      { changes: { sample: 1, rate: '1/h' } },
    );
    const { completed, paused } = await sampledPause(again);
    assert.equal(completed, 5);
    assert.match(paused!.reason, /^sample: 1 of 3 rows are done/);
    const {
      rows: done,
      rows_left,
      seconds_left,
    } = await until('its time is known', async () => {
      const projection = await again.projection();
      return projection.seconds_left !== null && projection;
    });
    assert.deepEqual([done, rows_left], [1, 2]);
    // At its rate.
    assert.ok(seconds_left! >= 7200, `${seconds_left} s`);
    await again.set({ rate: 'off' });
    await again.resume();
    assert.equal((await again.result()).completed, 7);
  });

  it('is asked about also where a person has paused the job meanwhile', async () => {
    const gate = join(site.folder, 'lunch-over');
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.02; done`;
    const spec = await lightSpec(
      site,
      rowsOf(5, (n) => `${wait}; report ${n}`),
    );
    const job = await site.jobs.start({ ...spec, sample: 2 });
    await until('it runs', async () => (await job.status()).running === 2);
    await job.pause('lunch');
    await site.file('lunch-over', '');
    await until('they are done', async () => (await job.status()).completed === 2);
    assert.equal((await statusOf(job)).paused?.reason, 'lunch');
    await job.resume();
    assert.equal((await sampledPause(job)).completed, 2);
    await job.resume();
    assert.equal((await job.result()).verdict, 'succeeded');
  });

  it('is not over where a person ends the wait for a quota', async () => {
    const open = join(site.folder, 'quota-open');
    const spec = await lightSpec(
      site,
      rowsOf(5, (n) => `[ -e ${open} ] || { echo 'retry after 600 s'; exit 75; }; report ${n}`),
      { agent: { command: LIGHT_AGENT, quota_exit_code: 75 }, report_grace_seconds: 0 },
    );
    const job = await site.jobs.start({ ...spec, sample: 2 });
    await until('it is paused', async () => {
      const { paused, running } = await job.status();
      return paused !== null && running === 0;
    });
    await site.file('quota-open', '');
    await job.resume();
    assert.equal((await sampledPause(job)).completed, 2);
    await job.resume();
    assert.equal((await job.result()).verdict, 'succeeded');
  });
});

describe('a deadline', { concurrency: 2 }, () => {
  const long = (n: number, pids: string) =>
    n < 2 ? `report ${n}` : `echo $$ >>'${pids}'; sleep 600`;
  const start = async (name: string, more: Partial<JobSpec>) => {
    const pids = join(site.folder, `${name}.pids`);
    const rows = rowsOf(8, (n) => long(n, pids));
    const spec = await lightSpec(site, rows, { max_concurrency: 3, ...more });
    return { job: await site.jobs.start(spec, { jobId: name }), pids };
  };
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

  it('ends the agents that run, and starts no others', async () => {
    const { job, pids } = await start('over', { deadline: inMs(600_000) });
    await until('three hang', async () => {
      const { completed, running } = await job.status();
      return completed === 2 && running === 3;
    });
    // It is moved, and stays so when the job continues as new.
    const before = (await runsOf(site.client, 'over')).length;
    for (let n = 0; n < THRESHOLD / 2; n += 1) await job.set({ deadline: inMs(500_000 + n) });
    assert.ok((await runsOf(site.client, 'over')).length > before);
    assert.equal((await statusOf(job)).verdict, null);
    const set = await cli(['set', 'over', '--deadline', '2h'], { env: site.processEnv });
    assert.equal(set.code, 0, set.stderr);
    const left = Date.parse((await job.status()).deadline!) - Date.now();
    assert.ok(left > 6_900_000 && left <= 7_200_000, `${left} ms`);
    const shown = await cli(['status', 'over'], { env: site.processEnv });
    assert.match(shown.stdout, /settings +3 at once, .* for an agent\n +deadline +.*\d\d:\d\d\n/);
    await job.set({ deadline: inMs(8000) });
    const summary = await job.result();
    const { verdict, completed, cancelled, pending, stop_reason } = summary;
    assert.deepEqual([verdict, completed, cancelled, pending], ['stopped', 2, 3, 3]);
    assert.match(stop_reason!, /^the deadline of 20.*Z has passed$/);
    const output = await readOutput(summary.output_csv_path);
    assert.equal(output[2]!['last_error'], "ended at the job's deadline");
    for (const pid of await pidsIn(pids)) {
      await until(`the agents of group ${pid} are gone`, () => isGroupGone(pid));
    }
  });

  it('is kept while the job is paused', async () => {
    const { job } = await start('held', { deadline: inMs(15_000) });
    await job.pause();
    const { verdict } = await job.result();
    assert.equal(verdict, 'stopped');
  });

  it('is a time to come', async () => {
    const run = async (deadline: string) =>
      cli(await sampled('never', '--deadline', deadline), { env: site.processEnv });
    // A number alone may be meant as an hour of the day.
    for (const deadline of ['soon', '2020-01-01', '0s', '18', '400 days']) {
      const { code, stderr } = await run(deadline);
      assert.equal(code, 2);
      assert.match(stderr, /--deadline: .* is no time to come; give one as 2h/);
    }
    const spec = await lightSpec(site, { a: 'report 1' });
    await assert.rejects(
      site.jobs.start({ ...spec, deadline: '2020-01-01T00:00:00Z' }),
      /deadline: has passed already/,
    );
    await assert.rejects(site.jobs.start({ ...spec, deadline: 'tomorrow' }), /deadline: must be/);
  });
});
