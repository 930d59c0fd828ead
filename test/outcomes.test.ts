/** How agents end, and what their rows come to. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MAX_REFUSED_REPORTS } from '../src/job.js';
import { type EndedRow, runJob } from './support/ended-job.js';
import { lightSpec } from './support/light-agent.js';
import { Site, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker({ concurrency: 40 });
});
after(() => site.close());

const SCHEMA = { type: 'object', properties: { ok: { const: true } }, required: ['ok'] };
const VALID = `report '{"ok":true}'`;
const INVALID = `report '{"ok":1}'`;
const NOT_TRUE = '/ok: Instance does not match true.';

/** `status attempts reason: last_error` of each row. */
function outcomes(rows: Record<string, EndedRow>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(rows).map(([id, { status, attempts, error }]) => [
      id,
      [status, attempts, error.replace(/(is not JSON): .*/, '$1')].join(' ').trim(),
    ]),
  );
}

async function pids(file: string): Promise<number[]> {
  const text = await readFile(join(site.folder, file), 'utf8').catch(() => '');
  return text.trim().split('\n').filter(Boolean).map(Number);
}

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

// They wait more than they work.
describe('how agents end', { concurrency: true }, () => {
  test('an agent that has ended: its report counts, else its end', async () => {
    const { rows, summary } = await runJob(
      site,
      await lightSpec(
        site,
        {
          mute: '',
          silent: 'echo one; echo; echo "  two  "; echo',
          code: 'echo cannot >&2; echo "  open ticket" >&2; echo >&2; echo bye; exit 3',
          signal: 'echo dying; kill -KILL $$',
          terminated: 'kill -TERM $$',
          valid: VALID,
          'valid-then-code': `${VALID}; exit 1`,
          'valid-then-signal': `${VALID}; kill -KILL $$`,
          'valid-then-invalid': `${VALID}; ${INVALID}`,
          invalid: `${INVALID}; echo gave up >&2`,
          'invalid-then-code': `${INVALID}; exit 9`,
          malformed: 'report "{"; echo gave up >&2',
          repaired: `${INVALID}; ${VALID}`,
          later: `later 1 '{"ok":true}'`,
          daemon: `daemon 1 '{"ok":true}'`,
        },
        { output_schema: SCHEMA, report_grace_seconds: 6 },
      ),
    );
    assert.deepEqual(outcomes(rows), {
      mute: 'failed 1 no_report: exited with code 0 without reporting',
      silent: 'failed 1 no_report: exited with code 0 without reporting: two',
      code: 'failed 1 agent_error: exited with code 3: open ticket',
      signal: 'failed 1 agent_error: ended by signal SIGKILL: dying',
      terminated: 'failed 1 agent_error: ended by signal SIGTERM',
      valid: 'completed 1',
      'valid-then-code': 'completed 1',
      'valid-then-signal': 'completed 1',
      'valid-then-invalid': 'completed 1',
      invalid: `failed 1 invalid_report: exited with code 0 without reporting: gave up; refused: ${NOT_TRUE}`,
      'invalid-then-code': `failed 1 invalid_report: exited with code 9: answer 422; refused: ${NOT_TRUE}`,
      malformed:
        'failed 1 invalid_report: exited with code 0 without reporting: gave up; refused: the report is not JSON',
      repaired: 'completed 1',
      later: 'completed 1',
      daemon: 'completed 1',
    });
    assert.equal(summary.verdict, 'partial');
    assert.deepEqual([summary.completed, summary.failed], [7, 8]);
  });

  test('an agent that does not end is ended at its deadline, with all that it started', async () => {
    const file = join(site.folder, 'timed-out');
    const started = `echo $$ >>${file}; sleep 1000 & echo $! >>${file}`;
    const { rows } = await runJob(
      site,
      await lightSpec(
        site,
        {
          polite: `${started}; echo working; wait`,
          // Ignored signals stay ignored in what a process starts.
          stubborn: `trap '' TERM; ${started}; while true; do sleep 1; done`,
          refused: `${INVALID}; exec sleep 1000`,
          valid: `${VALID}; exec sleep 1000`,
        },
        { output_schema: SCHEMA, max_runtime_seconds: 15, report_grace_seconds: 0 },
      ),
    );
    const late = 'failed 1 timed_out: still running after the 15 s allowed, ended';
    assert.deepEqual(outcomes(rows), {
      polite: `${late}: working`,
      stubborn: late,
      refused: `${late}: answer 422; refused: ${NOT_TRUE}`,
      valid: 'completed 1',
    });
    const started4 = await pids('timed-out');
    assert.equal(started4.length, 4);
    await until('the end of their groups', () => started4.every(gone));
  });

  test('an agent that stays after its report is ended after a while, and stays completed', async () => {
    const file = join(site.folder, 'stays');
    const stays = `echo $$ >>${file}; ${VALID}; sleep 1000 & echo $! >>${file}; wait`;
    const { rows } = await runJob(
      site,
      await lightSpec(site, { a: stays, b: `trap '' TERM; ${stays}` }, { exit_grace_seconds: 0 }),
    );
    assert.deepEqual(outcomes(rows), { a: 'completed 1', b: 'completed 1' });
    const started = await pids('stays');
    await until('the end of their groups', () => started.every(gone));
  });

  test('an agent that does not find the schema is ended after some tries', async () => {
    const { rows } = await runJob(
      site,
      await lightSpec(
        site,
        { lost: `while :; do ${INVALID}; done` },
        { output_schema: SCHEMA, report_grace_seconds: 0 },
      ),
    );
    assert.match(
      outcomes(rows)['lost']!,
      new RegExp(`^failed 1 invalid_report: ${MAX_REFUSED_REPORTS} of its reports were refused`),
    );
  });

  test('a failed attempt is followed by another, up to the limit', async () => {
    const file = join(site.folder, 'attempts');
    const noted = `echo $AGENT_JOBS_ITEM_ID $AGENT_JOBS_ATTEMPT >>${file}`;
    const { rows } = await runJob(
      site,
      await lightSpec(
        site,
        {
          first: `${noted}; ${VALID}`,
          second: `${noted}; [ $AGENT_JOBS_ATTEMPT = 2 ] && ${VALID}`,
          refused: `${noted}; [ $AGENT_JOBS_ATTEMPT = 2 ] || ${INVALID}; echo fruitless >&2`,
          never: `${noted}; exit 4`,
        },
        { output_schema: SCHEMA, max_attempts: 2, report_grace_seconds: 0 },
      ),
    );
    assert.deepEqual(outcomes(rows), {
      first: 'completed 1',
      second: 'completed 2',
      // The reason is that of the last attempt.
      refused: 'failed 2 no_report: exited with code 0 without reporting: fruitless',
      never: 'failed 2 agent_error: exited with code 4',
    });
    const lines = (await readFile(file, 'utf8')).trim().split('\n').toSorted();
    assert.deepEqual(lines, [
      'first 1',
      ...['never 1', 'never 2', 'refused 1', 'refused 2', 'second 1', 'second 2'],
    ]);
  });

  test('an agent that cannot be started fails its row with the reason, and is not tried again', async () => {
    const notExecutable = await site.file('not-executable', '#!/bin/sh\n');
    const missing = join(site.folder, 'missing');
    const cases: [command: string[], cwd: string, error: string | RegExp][] = [
      [['no-such-program', 'x'], site.folder, 'the command "no-such-program" was not found'],
      [[missing], site.folder, `the command "${missing}" was not found`],
      [[notExecutable], site.folder, `the command "${notExecutable}" may not be executed`],
      [[site.folder], site.folder, `the command "${site.folder}" may not be executed`],
      [['true'], missing, `the working directory ${missing} is not there`],
      [['true'], notExecutable, `the working directory ${notExecutable} is not there`],
      [[`${notExecutable}/x`], site.folder, /cannot be started: .*ENOTDIR/],
      [['x'.repeat(300)], site.folder, /cannot be started: .*ENAMETOOLONG/],
      [
        ['true', '{prompt}'],
        site.folder,
        /^the command is too long: give the prompt on standard input/,
      ],
      [['true', '\0'], site.folder, /^the command cannot be passed to a process: .*null bytes/],
    ];
    const rows = { a: 'x'.repeat(200_000) };
    await Promise.all(
      cases.map(async ([command, cwd, error]) => {
        const spec = await lightSpec(site, rows, {
          agent: { command, workdir: cwd },
          max_attempts: 3,
        });
        const { a } = (await runJob(site, spec)).rows;
        assert.deepEqual([a!.status, a!.attempts], ['failed', 1]);
        const told = a!.error.replace(/^agent_error: /, '');
        if (typeof error === 'string') assert.equal(told, error);
        else assert.match(told, error);
      }),
    );
  });

  test('a log that cannot be kept does not run an agent again', async () => {
    const jobId = 'no-logs';
    await site.file(`store/jobs/${jobId}/logs`, '');
    const file = join(site.folder, 'runs');
    const spec = await lightSpec(site, { a: `echo run | tee -a ${file}; ${VALID}` });
    const job = await site.jobs.start(spec, { jobId });
    assert.equal((await job.result()).verdict, 'succeeded');
    assert.equal(await readFile(file, 'utf8'), 'run\n');
  });

  test('what an agent leaves behind has the grace, and no longer than the job is wanted', async () => {
    const file = join(site.folder, 'left');
    const job = await site.jobs.start(
      await lightSpec(
        site,
        { a: `sleep 1000 & echo $! >${file}; exit 0` },
        { report_grace_seconds: 600 },
      ),
    );
    const [left] = await until('what it leaves', async () => {
      const found = await pids('left');
      return found.length > 0 && found;
    });
    await job.cancel();
    const { verdict, cancelled } = await job.result();
    assert.deepEqual([verdict, cancelled], ['cancelled', 1]);
    await until('its end', () => gone(left!));
  });
});
