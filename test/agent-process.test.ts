/** What an agent is given, and what is kept of what it prints. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { OutputTail } from '../src/agent/output-tail.js';
import { runJob } from './support/ended-job.js';
import { ROOT, Site } from './support/site.js';

const OWN = {
  TEMPORAL_ADDRESS: 'secret.example:7233',
  TEMPORAL_API_KEY: 'secret',
  AGENT_JOBS_STORE: '/somewhere',
  AGENT_JOBS_REPORT_TOKEN: 'stale',
  TEST_PASSED_ON: 'as it is',
};

let site: Site;
before(async () => {
  Object.assign(process.env, OWN);
  site = await Site.open();
  await site.worker();
});
after(async () => {
  await site.close();
  for (const name of Object.keys(OWN)) delete process.env[name];
});

/** What echo-agent.mjs reports. */
interface Echo {
  stdin: string;
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  row: Record<string, string>;
}

test('an agent gets its row, prompt and token, byte for byte, by no shell, and nothing of Temporal', async () => {
  const touched = join(site.folder, 'touched');
  const cells = [
    `$(touch ${touched})`,
    `\`touch ${touched}\`; touch ${touched} | touch ${touched} && touch ${touched}`,
    `"quoted" 'twice' \\ back\\slash \\n`,
    'two\nlines\r\nand\ttabs, commas',
    '{id} {text} {{x}} {prompt} {"json": [1]}',
    '~/* $HOME %s !! # -- -e',
    'ünïcödé 🦊 \u0001 \u200b',
    ' spaces ',
  ];
  const rows = cells.map((cell, n) => [`r${n}`, cell]);
  const cwd = join(site.folder, 'work folder');
  await mkdir(cwd);
  const literal = ['$HOME', '*', '{text}', ' {prompt}', '{prompt}x', ''];
  const job = await runJob(site, {
    csv_path: await site.file('cells.csv', stringify([['id', 'text'], ...rows])),
    instruction: 'Row {id}: {text}\n{{id}} {"a": 1}',
    id_column: 'id',
    agent: {
      command: [
        process.execPath,
        join(ROOT, 'test/support/echo-agent.mjs'),
        '{prompt}',
        ...literal,
        '{prompt}',
      ],
      workdir: cwd,
      pass_env: ['TEST_PASSED_*', 'TEMPORAL_*', 'AGENT_JOBS_*'],
    },
  });
  assert.equal(job.summary.verdict, 'succeeded');
  const tokens = new Set<string>();
  for (const [n, text] of cells.entries()) {
    const { stdin, argv, env, row, ...rest } = job.rows[`r${n}`]!.result as Echo;
    const prompt = `Row r${n}: ${text}\n{id} {"a": 1}`;
    assert.equal(stdin, prompt);
    assert.deepEqual(argv, [prompt, ...literal, prompt]);
    assert.deepEqual(row, { id: `r${n}`, text });
    assert.deepEqual(rest, { cwd: await realpath(cwd) });
    const { AGENT_JOBS_REPORT_URL, AGENT_JOBS_REPORT_TOKEN, AGENT_JOBS_ROW_FILE, ...told } = env;
    const { AGENT_JOBS_MCP_URL, ...others } = told;
    assert.equal(AGENT_JOBS_MCP_URL, AGENT_JOBS_REPORT_URL!.replace(/report$/, 'mcp'));
    assert.match(AGENT_JOBS_REPORT_URL!, /^http:\/\/127\.0\.0\.1:\d+\/report$/);
    assert.match(AGENT_JOBS_REPORT_TOKEN!, /^[\w-]{32}$/);
    tokens.add(AGENT_JOBS_REPORT_TOKEN!);
    assert.equal(existsSync(AGENT_JOBS_ROW_FILE!), false, 'the row file goes with the run');
    assert.deepEqual(others, {
      AGENT_JOBS_JOB_ID: job.jobId,
      AGENT_JOBS_ITEM_ID: `r${n}`,
      AGENT_JOBS_ATTEMPT: '1',
      TEST_PASSED_ON: 'as it is',
    });
  }
  assert.equal(tokens.size, cells.length);
  assert.equal(existsSync(touched), false);
});

test('the last MiB of what an agent prints are kept, run by run', async () => {
  const { rows, jobId } = await runJob(
    site,
    await site.spec(
      {
        chatty: [
          ['report', 1],
          ['out', 'a'.repeat(800_000)],
          ['out', 'b'.repeat(600_000)],
        ],
        both: [
          ['out', 'to output'],
          ['sleep', 300],
          ['err', 'to error'],
          ['exit', 1],
        ],
        mute: [],
      },
      { max_attempts: 2, report_grace_seconds: 0 },
    ),
  );
  const log = (name: string) =>
    readFile(join(site.storeFolder, 'jobs', jobId, 'logs', name), 'utf8');
  const b = 'b'.repeat(600_000) + '\n';
  assert.equal(await log('0.1.1.txt'), 'a'.repeat(1_048_576 - b.length - 1) + '\n' + b);
  assert.equal(await log('1.1.1.txt'), 'to output\nto error\n');
  assert.equal(await log('1.2.2.txt'), 'to output\nto error\n');
  assert.equal(rows['mute']!.log, '');
});

test('the last line is what counts, however it is written', () => {
  const lastLine = (text: string) => {
    const tail = new OutputTail(65_536);
    tail.add(Buffer.from(text));
    return tail.lastLine();
  };
  assert.equal(lastLine(''), '');
  assert.equal(lastLine(' \n\t\n'), '');
  assert.equal(lastLine('one'), 'one');
  assert.equal(lastLine('one\n  two  \n\n'), 'two');
  assert.equal(lastLine('10 %\r20 %\r'), '20 %');
  assert.equal(lastLine('one\r\ntwo\r\n'), 'two');
  assert.equal(lastLine('x'.repeat(5000)), 'x'.repeat(2000));
  assert.equal(lastLine(`${'a'.repeat(1900)}\nb`), 'b');
});

test('the tail of the output is cut to the byte', () => {
  const tail = new OutputTail(10);
  for (const text of ['abc', 'defgh', 'ij']) tail.add(Buffer.from(text));
  assert.equal(tail.text(), 'abcdefghij');
  tail.add(Buffer.from('k'));
  assert.equal(tail.text(), 'bcdefghijk');
  tail.add(Buffer.from('x'.repeat(100)));
  assert.equal(tail.text(), 'x'.repeat(10));
});
