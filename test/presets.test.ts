/** Agents that are known by name, where their programs are missing or too old; see also `agents/`. */
import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { PROGRAMS } from '../src/agent/presets/programs.js';
import { cli } from './support/cli.js';
import { Site } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
});
after(() => site.close());

/** Runs a job with a `codex` on the PATH that is this script. */
async function runWith(script?: string) {
  const folder = dirname(await site.file(`bin-${script?.length ?? 0}/other`, ''));
  if (script !== undefined) {
    const program = await site.file(join(folder, 'codex').slice(site.folder.length), script);
    await chmod(program, 0o755);
  }
  await site.file('in.csv', 'text\nhello\n');
  const args = ['run', 'in.csv', '--local', '--instruction', '{text}', '--agent', 'codex'];
  const env = { ...site.processEnv, PATH: folder };
  return cli(args, { env, cwd: site.folder });
}

const INSTALL = '(npm install -g @openai/codex)';

test('a program that is missing, too old or broken is told before anything starts', async () => {
  const cases: [script: string | undefined, problem: string][] = [
    [undefined, `Codex was not found: there is no "codex" on the PATH ${INSTALL}`],
    [
      '#!/bin/sh\necho codex-cli 0.99.12',
      `Codex 0.99.12 is too old: at least 0.169.0 is needed ${INSTALL}`,
    ],
    ['#!/bin/sh\necho hello', '"codex --version" does not tell its version: hello'],
    ['#!/bin/sh\nexit 3', 'Codex does not run: Command failed: codex --version'],
  ];
  for (const [script, problem] of cases) {
    const { code, stdout, stderr } = await runWith(script);
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 2, stdout: '', stderr: `agent-jobs: ${problem}\n` },
    );
  }
  assert.deepEqual(await site.jobs.list(), []);
});

test('without --local, rows fail with what the worker found', async () => {
  await site.worker();
  const path = process.env['PATH'];
  process.env['PATH'] = site.folder;
  try {
    const job = await site.jobs.start({
      csv_path: await site.file('in.csv', 'text\nhello\n'),
      instruction: '{text}',
      agent: { preset: 'claude' },
      max_attempts: 3,
    });
    const { verdict, failures } = await job.result();
    assert.equal(verdict, 'failed');
    assert.equal(failures[0]!.reason, 'agent_error');
    assert.match(
      failures[0]!.last_error,
      /^Claude Code was not found: .* on the PATH \(npm install/,
    );
  } finally {
    process.env['PATH'] = path;
  }
});

test('a program that had no tool to report with is known by what it prints', () => {
  const codex = PROGRAMS.codex.reader();
  const failed = 'Error: required MCP servers failed to initialize: agent_jobs: handshaking failed';
  assert.deepEqual(codex.told(`${failed}\n`), {
    failure_class: 'tool_unavailable',
    message: failed,
  });

  const claude = PROGRAMS.claude.reader();
  const server = { name: 'agent_jobs', status: 'failed' };
  claude.line(
    JSON.stringify({ type: 'system', subtype: 'init', mcp_servers: [server], tools: [] }),
  );
  claude.line(JSON.stringify({ type: 'result', is_error: false, result: 'Done.', usage: {} }));
  const { failure_class, message } = claude.told('');
  assert.equal(failure_class, 'tool_unavailable');
  assert.match(message!, /^its report tool is not there: MCP server failed$/);
});
