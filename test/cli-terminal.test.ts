/** The live display, in a real terminal. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MAIN } from './support/cli.js';
import { Site, type Step, until } from './support/site.js';
import { Terminal, hasTmux } from './support/terminal.js';

const skip = !hasTmux() && 'tmux is not installed';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

/** Rows whose agents wait for the file `go`, and then report. */
async function start(id: string, columns: number): Promise<{ terminal: Terminal; go: string }> {
  const go = join(site.folder, `${id}-go`);
  const waiting: Step[] = [
    ['wait-for', go],
    ['report', 1],
  ];
  const rows: Record<string, Step[]> = {
    a: [['report', 1]],
    b: [
      ['err', 'no ink'],
      ['exit', 3],
    ],
  };
  for (const name of ['c', 'd', 'e', 'f']) rows[name] = waiting;
  const { csv_path } = await site.spec(rows);
  const terminal = await Terminal.open(
    [
      ...[process.execPath, MAIN, 'run', csv_path, '--instruction', '{steps}', '--id-column', 'id'],
      ...['--job-id', id, '--', process.execPath, join(import.meta.dirname, 'support/agent.mjs')],
    ],
    { columns, rows: 24 },
    { env: site.processEnv, cwd: site.folder },
  );
  return { terminal, go };
}

/** A machine under load may take its time for each of the agents. */
const PATIENCE_MS = 120_000;

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
const BARS = /^[█░]/gm;

describe('the live display', { skip, concurrency: 2 }, () => {
  it('a bar with counts, rate and link; then the summary in its place', async () => {
    const { terminal, go } = await start('shown', 100);
    try {
      const live = await shows(
        terminal,
        BAR,
        /^4 running · 1 failed · \d+\.\d rows\/s · \d.* to go$/m,
      );
      assert.match(
        live,
        /^Job shown: 6 rows\nhttp:\/\/.*\/namespaces\/default\/workflows\/shown\n[█░]/,
      );
      await writeFile(go, '');
      const end = await shows(terminal, /^exit code 3$/m);
      assert.doesNotMatch(end, BARS);
      assert.match(end, /^Job shown: partial\. 5 of 6 rows completed, 1 failed, \d.* s\.$/m);
      assert.match(end, /^ {2}failed {3}b {2}agent_error: exited with code 3: no ink$/m);
    } finally {
      await terminal.close();
    }
  });

  it('a narrow terminal, one that is resized, and Ctrl-C', async () => {
    const { terminal } = await start('narrow', 40);
    try {
      const narrow = await shows(terminal, BAR, /^4 running · 1 failed · \d+\.\d rows\/s$/m);
      assert.match(narrow, /^http:[^ ]*\n[^ ]*narrow\n[█░]/m);
      for (const columns of [100, 30, 12, 64]) {
        await terminal.resize(columns, 24);
        // The bar of its width, which tells it from the one before.
        const bar = `[█░]{${Math.min(50, columns - 11)}} {2}`;
        const fits = new RegExp(`^${columns > 20 ? bar : ''}33% {2}2/6$`, 'm');
        const screen = await shows(terminal, fits, /4 running/);
        assert.equal(screen.match(/33%/g)!.length, 1, screen);
        assert.equal(screen.match(/running/g)!.length, 1, screen);
      }
      await terminal.key('C-c');
      assert.doesNotMatch(await shows(terminal, /^exit code 130$/m), BARS);
      assert.match(
        await terminal.scrollback(),
        /job narrow goes on\. To watch it again: agent-jobs watch narrow/,
      );
    } finally {
      await terminal.close();
      await site.jobs.job('narrow').cancel();
    }
  });
});
