/** `watch` on a whole terminal, a real one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobHandle } from '../src/client.js';
import { MAIN } from './support/cli.js';
import { Site, type Step, until } from './support/site.js';
import { Terminal, hasTmux } from './support/terminal.js';

const skip = !hasTmux() && 'tmux is not installed';
/** A machine under load may take its time for each of the agents. */
const PATIENCE_MS = 120_000;

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

interface Watched {
  job: JobHandle;
  terminal: Terminal;
  /** Lets the agents that run report. */
  go: () => Promise<void>;
}

/** A job of which one row is completed, one has failed and four run, and a terminal that watches it. */
async function watched(jobId: string): Promise<Watched> {
  const go = join(site.folder, `${jobId}-go`);
  const waiting = (name: string): Step[] => [
    ['out', `reading ${name} \u001b[31m`],
    ['wait-for', go],
    ['report', 1],
  ];
  const rows: Record<string, Step[]> = {
    a: [['report', 1]],
    'b \u001b[31m': [
      ['err', 'no ink'],
      ['exit', 3],
    ],
  };
  for (const name of ['c', 'd', 'e', 'f']) rows[name] = waiting(name);
  const job = await site.jobs.start(await site.spec(rows), { jobId });
  await until('two rows have ended', async () => {
    const { completed, failed } = await job.status();
    return completed === 1 && failed === 1;
  });
  const terminal = await Terminal.open(
    [process.execPath, MAIN, 'watch', jobId],
    { columns: 100, rows: 24 },
    { env: site.processEnv, cwd: site.folder },
  );
  return { job, terminal, go: () => writeFile(go, '') };
}

/** Waits until the screen shows all of it. @returns the screen. */
function shows(terminal: Terminal, ...parts: RegExp[]): Promise<string> {
  let last = '';
  const shown = async () => {
    last = await terminal.screen();
    return parts.every((part) => part.test(last)) && last;
  };
  return until(`the screen shows ${parts.join(' ')}`, shown, PATIENCE_MS).catch((error: Error) =>
    assert.fail(`${error.message}. It shows:\n${last}`),
  );
}

const BAR = /^[█░]+ {2}33% {2}2\/6$/m;

describe('watch on a whole terminal', { skip, concurrency: 2 }, () => {
  it('the rows that run with their time and what they say, the last failures; at the end the summary in its place', async () => {
    const { terminal, go } = await watched('seen');
    try {
      const screen = await shows(terminal, BAR, /^Running: 4$/m, /rows each second, \d+ at most$/m);
      assert.match(screen, /^Job seen: running +\d.* s$/m);
      const said = ['c', 'd', 'e', 'f'].map(
        (id) => new RegExp(`^ *\\d.* s {2}${id} {2}reading ${id} \ufffd\\[31m$`, 'm'),
      );
      await shows(terminal, ...said);
      assert.match(screen, /^Failed: 1$/m);
      assert.match(screen, /^ {2}b \ufffd\[31m {2}agent_error: exited with code 3: no ink$/m);
      assert.match(screen, /\nq quits; the job goes on$/);
      assert.equal(await terminal.isTaken(), true);
      await go();
      const end = await shows(terminal, /^exit code 3$/m);
      assert.equal(await terminal.isTaken(), false);
      assert.doesNotMatch(end, /[█░]|Running|q quits/);
      assert.match(end, /^Job seen: partial\. 5 of 6 rows completed, 1 failed, \d.* s\.$/m);
    } finally {
      await terminal.close();
    }
  });

  it('is drawn anew for another size, and left by q without touching the job', async () => {
    const { job, terminal } = await watched('left');
    try {
      await shows(terminal, BAR, /^Running: 4$/m);
      for (const [columns, rows] of [
        [40, 24],
        [60, 9],
        [12, 5],
        [100, 30],
      ] as const) {
        await terminal.resize(columns, rows);
        const last = new RegExp(`\\n${'q quits; the job goes on'.slice(0, columns - 1).trim()}$`);
        const screen = await shows(terminal, /33% {2}2\/6/, last);
        const lines = screen.split('\n');
        assert.ok(lines.length <= rows, `${lines.length} lines in ${rows}:\n${screen}`);
        assert.equal(screen.match(/33%/g)!.length, 1, screen);
      }
      await shows(terminal, /^Running: 4$/m);
      await terminal.key('q');
      const end = await shows(terminal, /^exit code 130$/m);
      assert.match(end, /job left goes on\. To watch it again: agent-jobs watch left/);
      assert.equal(await terminal.isTaken(), false);
      const { state, running } = await job.status();
      assert.deepEqual([state, running], ['running', 4]);
    } finally {
      await terminal.close();
      await job.cancel();
    }
  });
});
