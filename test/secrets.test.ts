/**
 * Distinctive texts are planted wherever a job has some, and looked for wherever anything is written: keys
 * and tokens must be nowhere, cells and results nowhere but in the output where a job is encrypted.
 */
import assert from 'node:assert/strict';
import { type Dirent } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { type Ending, cli } from './support/cli.js';
import { DevServer } from './support/dev-server.js';
import { LIGHT_AGENT } from './support/light-agent.js';
import { WorkerProcess } from './support/worker-process.js';

const KEY = 'c0ffee5ec2e7'.padEnd(64, '7b');
const SECRETS = {
  key: KEY,
  key_bytes: Buffer.from(KEY, 'hex').toString('latin1'),
  key_base64: Buffer.from(KEY, 'hex').toString('base64'),
  api_key: 'PLANTED-api-key-4711',
  environment: 'PLANTED-environment-4711',
  passed: 'PLANTED-passed-4711',
};

let folder: string;
let server: DevServer;
let reportTokens: string[];
/** What the commands and workers of a job have written, by job. */
const said: Record<string, string> = {};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-secrets-'));
  server = await DevServer.start(folder);
  await writeFile(join(folder, 'keys-file'), `k1 = ${KEY}\n`, { mode: 0o600 });
  await runJob('plain');
  await runJob('encrypted', { AGENT_JOBS_KEYS_FILE: join(folder, 'keys-file') });
  // What is still in memory reaches the file.
  await server.stop();
  reportTokens = (await readFile(join(folder, 'tokens'), 'utf8')).trim().split('\n');
});
after(async () => {
  WorkerProcess.killAll();
  await server.kill();
  await rm(folder, { recursive: true, force: true });
});

const cell = (job: string, what: string) => `PLANTED-${job}-${what}-0815`;
const CELLS = [
  'id',
  'text',
  'result',
  'large',
  'output',
  'error',
  'setup',
  'argument',
  'instruction',
];
const IN_OUTPUT = ['id', 'text', 'result', 'large', 'error'];

/** A job of some rows, with all that there is to it, by commands as people give them. */
async function runJob(job: string, more: NodeJS.ProcessEnv = {}): Promise<void> {
  await mkdir(join(folder, job, 'tmp'), { recursive: true });
  const env = {
    ...process.env,
    TEMPORAL_ADDRESS: server.address,
    // In plain text, since the dev server knows no TLS.
    TEMPORAL_TLS: 'false',
    TEMPORAL_API_KEY: SECRETS.api_key,
    AGENT_JOBS_STORE: join(folder, job, 'store'),
    AGENT_JOBS_TASK_QUEUE: job,
    XDG_STATE_HOME: join(folder, job, 'state'),
    TMPDIR: join(folder, job, 'tmp'),
    PLANTED: SECRETS.environment,
    PASSED: SECRETS.passed,
    ...more,
  };
  const token = `echo $AGENT_JOBS_REPORT_TOKEN >>${join(folder, 'tokens')}`;
  const large = `$(head -c 9000 /dev/zero | tr '\\0' x)`;
  const rows = [
    ['id', 'shell', 'text'],
    [
      cell(job, 'id'),
      `${token}; echo ${cell(job, 'output')}; report '"${cell(job, 'result')}"'`,
      cell(job, 'text'),
    ],
    ['fails', `${token}; echo ${cell(job, 'error')} >&2; exit 3`, ''],
    ['large', `${token}; report "\\"${large}${cell(job, 'large')}\\""`, ''],
    ['refused', `${token}; report '"${cell(job, 'result')}'; exit 0`, ''],
  ];
  const input = join(folder, job, 'in.csv');
  await writeFile(input, stringify(rows));
  const worker = await WorkerProcess.start(env, { cwd: folder });
  const commands = [
    `run ${input} --job-id ${job} --id-column id --setup`
      .split(' ')
      .concat(
        `: ${cell(job, 'setup')}; echo set up`,
        '--instruction',
        `{shell} # ${cell(job, 'instruction')}`,
        ...[
          '--pass-env',
          'PASSED',
          '--',
          ...LIGHT_AGENT.slice(0, 1),
          '-c',
          'exec bash "$1"',
          cell(job, 'argument'),
        ],
        LIGHT_AGENT[1]!,
      ),
    ['status', job, '--json'],
    ['list'],
    ['items', job, '--json'],
    ['logs', job, 'fails'],
  ];
  const endings: Ending[] = [];
  for (const command of commands) endings.push(await cli(command, { env, cwd: folder }));
  assert.deepEqual(
    endings.map(({ code }) => code),
    [3, 0, 0, 0, 0],
    JSON.stringify(endings),
  );
  worker.signal('SIGTERM');
  await worker.ended;
  said[job] = worker.said;
  said[`${job} commands`] = endings.map(({ stdout, stderr }) => stdout + stderr).join('');
}

/** All files below a folder. */
async function* filesIn(path: string): AsyncGenerator<string> {
  for (const entry of (await readdir(path, { withFileTypes: true })) as Dirent[]) {
    const each = join(path, entry.name);
    if (entry.isDirectory()) yield* filesIn(each);
    else yield each;
  }
}

/** A text as it may be found: as it is, and in base64 wherever it begins. */
function formsOf(text: string): Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text, 'latin1')]).toString(
      'base64',
    );
    return Buffer.from(encoded.slice(shift === 0 ? 0 : 4, -4));
  });
  return [Buffer.from(text, 'latin1'), ...base64];
}

/** Where a text is: in a file, its name, or what a process has said. */
async function placesOf(text: string): Promise<string[]> {
  const forms = formsOf(text);
  const holds = (bytes: Buffer) => forms.some((form) => bytes.includes(form));
  const places: string[] = [];
  for await (const file of filesIn(folder)) {
    const name = file.slice(folder.length + 1);
    if (['keys-file', 'tokens'].includes(name)) continue;
    if (holds(Buffer.from(name)) || holds(await readFile(file))) places.push(name);
  }
  for (const [who, what] of Object.entries(said)) if (holds(Buffer.from(what))) places.push(who);
  return places;
}

describe('what is secret is nowhere', () => {
  for (const [what, secret] of Object.entries(SECRETS)) {
    it(what, async () => assert.deepEqual(await placesOf(secret), []));
  }

  it('the tokens of reports', async () => {
    assert.equal(reportTokens.length, 8);
    for (const token of reportTokens) {
      assert.match(token, /^\S{20,}$/);
      assert.deepEqual(await placesOf(token), []);
    }
  });
});

describe('what a job is about', () => {
  /** The user's own files, and what the user asked for. */
  const isOwn = (place: string) => /^\w+\/in\.(csv|agent-job-\w+\.csv)$|^\w+ commands$/.test(place);

  for (const what of CELLS) {
    it(`is found where a job is not encrypted: ${what}`, async () => {
      const places = (await placesOf(cell('plain', what))).filter((place) => !isOwn(place));
      assert.ok(
        places.some((place) => place.startsWith('dev.db') || place.includes('/store/')),
        String(places),
      );
    });

    it(`is only in the user's own files where it is: ${what}`, async () => {
      const places = await placesOf(cell('encrypted', what));
      assert.deepEqual(
        places.filter((place) => !isOwn(place)),
        [],
      );
      if (IN_OUTPUT.includes(what)) {
        assert.ok(
          places.some((place) => place.includes('agent-job-')),
          'the output is plain text',
        );
      }
    });
  }
});
