/** What is refused before anything is started. No server is there: who asked for one would fail otherwise. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { type Ending, cli } from './support/cli.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-cli-'));
  const files: Record<string, string> = {
    'in.csv': 'id,text\na,one\nb,two\n',
    'ragged.csv': 'id,text\na,one\nb\n',
    'twice.csv': 'id,id\na,b\n',
    'empty.csv': '',
    'there.csv': 'something,else\n1,2\n',
    'task.md': 'Do this:\n  look at {txt}\n',
    'broken.json': '{"type":',
    'schema.json': '{"type":"objekt"}',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
});
after(() => rm(folder, { recursive: true, force: true }));

function run(args: string[], env: Record<string, string> = {}, input?: string): Promise<Ending> {
  return cli(args, {
    cwd: folder,
    // Nothing listens at the port of TCPMUX.
    env: { ...process.env, TEMPORAL_ADDRESS: '127.0.0.1:1', XDG_STATE_HOME: folder, ...env },
    ...(input !== undefined && { input }),
  });
}

const AGENT = ['--', 'true'];
const TASK = ['--instruction', 'Do {text}'];

interface Refused {
  what: string;
  args: string[];
  says: RegExp;
  env?: Record<string, string>;
  input?: string;
}

const USAGE: Refused[] = [
  { what: 'no command', args: [], says: /Usage: agent-jobs/ },
  { what: 'an unknown command', args: ['runn'], says: /unknown command 'runn'/ },
  { what: 'no input', args: ['run'], says: /missing required argument 'input'/ },
  {
    what: 'an unknown option',
    args: ['run', 'in.csv', ...TASK, 'claude', '-p'],
    says: /unknown option '-p'[^]*The agent's command goes after "--"/,
  },
  {
    what: 'a command without --',
    args: ['run', 'in.csv', ...TASK, 'codex', 'exec'],
    says: /write "--" before the agent's command/,
  },
  {
    what: 'no agent',
    args: ['run', 'in.csv', ...TASK],
    says: /Give --agent codex, --agent claude, the agent's command at the end/,
  },
  {
    what: 'two agents',
    args: ['run', 'in.csv', ...TASK, '--external', ...AGENT],
    says: /give no command/,
  },
  {
    what: 'no instruction',
    args: ['run', 'in.csv', ...AGENT],
    says: /--instruction TEXT or --inst/,
  },
  {
    what: 'two instructions',
    args: ['run', 'in.csv', ...TASK, '--instruction-file', 'task.md', ...AGENT],
    says: /'--instruction <text>' cannot be used with option '--instruction-file <file>'/,
  },
  {
    what: 'what is no number',
    args: ['run', 'in.csv', ...TASK, '--max-attempts', 'x', ...AGENT],
    says: /'--max-attempts <n>' argument 'x' is invalid. must be a number/,
  },
  {
    what: 'numbers out of range, all at once',
    args: [
      ...['run', 'in.csv', ...TASK, '--max-concurrency', '1001', '--max-runtime-seconds', '0'],
      ...AGENT,
    ],
    says: /--max-concurrency: .*1000\n--max-runtime-seconds: /,
  },
  {
    what: 'a job ID with a slash',
    args: ['run', 'in.csv', ...TASK, '--job-id', 'a/b', ...AGENT],
    says: /'--job-id <id>' argument 'a\/b' is invalid. a job ID is/,
  },
  { what: 'a job ID that leads elsewhere', args: ['status', '..'], says: /more than dots/ },
  {
    what: 'a version without its deployment',
    args: ['worker', '--build-id', 'A'],
    says: /--deployment-name and --build-id go together/,
  },
  {
    what: 'a deployment with a dot',
    args: ['worker', '--build-id', 'A', '--deployment-name', 'a.b'],
    says: /--deployment-name: must not have a dot/,
  },
  {
    what: 'more than all of the memory',
    args: ['worker', '--target-memory', '101'],
    says: /'101' is invalid. must be above 0 and at most 100/,
  },
  {
    what: 'an option of the other part',
    args: ['worker', '--role', 'agents', '--cached-workflows', '100'],
    says: /--cached-workflows is of --role workflows, which this worker is not/,
  },
  { what: 'an unknown status', args: ['items', 'j', '--status', 'done'], says: /Allowed choices/ },
  { what: 'another output format', args: ['results', 'j', '--output', 'x.txt'], says: /\.jsonl/ },
  { what: 'no result', args: ['report'], says: /give the result/ },
  {
    what: 'a result that is not JSON',
    args: ['report', '{label: 1}'],
    says: /the result is not JSON.*single quotes/,
  },
  {
    what: 'a report of no item',
    args: ['report', '--result-file', '-'],
    input: '{}',
    says: /not within an agent: name the item with --job and --item/,
  },
  {
    what: '--local for a server elsewhere',
    args: ['run', 'in.csv', ...TASK, '--local', ...AGENT],
    env: { TEMPORAL_ADDRESS: 'temporal.example.com:7233' },
    says: /--local starts a server on this machine.*temporal\.example\.com:7233/,
  },
  {
    what: 'settings that cannot be used',
    args: ['list'],
    env: { TEMPORAL_TLS: 'maybe' },
    says: /TEMPORAL_TLS is "maybe"/,
  },
  {
    what: 'an unknown profile',
    args: ['list'],
    env: { TEMPORAL_PROFILE: 'nowhere' },
    says: /Temporal settings cannot be used.*nowhere/,
  },
];

const INPUT: Refused[] = [
  { what: 'no such file', args: ['run', 'no.csv', ...TASK, ...AGENT], says: /no\.csv: / },
  {
    what: 'an empty file',
    args: ['run', 'empty.csv', ...TASK, ...AGENT],
    says: /empty\.csv: is empt/,
  },
  {
    what: 'a ragged row',
    args: ['run', 'ragged.csv', ...TASK, ...AGENT],
    says: /ragged\.csv:3: /,
  },
  {
    what: 'a column twice',
    args: ['run', 'twice.csv', ...TASK, ...AGENT],
    says: /twice\.csv:1: .*more than one column "id"/,
  },
  {
    what: 'an unknown ID column',
    args: ['run', 'in.csv', ...TASK, '--id-column', 'key', ...AGENT],
    says: /in\.csv: has no column "key".* id, text/,
  },
  {
    what: 'an unknown placeholder, with its place in the file',
    args: ['run', 'in.csv', '--instruction-file', 'task.md', ...AGENT],
    says: /task\.md:2:11: \{txt\} is no column of the input, which has \{id\}, \{text\}/,
  },
  {
    what: 'no such instruction file',
    args: ['run', 'in.csv', '--instruction-file', 'no.md', ...AGENT],
    says: /--instruction-file: .*no\.md cannot be read/,
  },
  {
    what: 'a schema that is not JSON',
    args: ['run', 'in.csv', ...TASK, '--output-schema', 'broken.json', ...AGENT],
    says: /--output-schema: .*broken\.json is not JSON/,
  },
  {
    what: 'a schema that says nothing sensible',
    args: ['run', 'in.csv', ...TASK, '--output-schema', 'schema.json', ...AGENT],
    says: /--output-schema.*"objekt"/,
  },
  {
    what: 'an output of another kind',
    args: ['run', 'in.csv', ...TASK, '--output', 'out.xlsx', ...AGENT],
    says: /--output: must end in \.csv or \.jsonl/,
  },
  {
    what: 'the input as output',
    args: ['run', 'in.csv', ...TASK, '--output', './in.csv', '--overwrite', ...AGENT],
    says: /is the input/,
  },
  {
    what: 'an output that is there',
    args: ['run', 'in.csv', ...TASK, '--output', 'there.csv', ...AGENT],
    says: /there\.csv is there already.*--overwrite/,
  },
  {
    what: 'an output that cannot be written',
    args: ['run', 'in.csv', ...TASK, '--output', 'no/out.csv', ...AGENT],
    says: /no\/out\.csv cannot be written/,
  },
];

for (const [title, cases] of [
  ['wrong usage', USAGE],
  ['wrong input', INPUT],
] as const) {
  describe(
    `${title} is exit 2 with the reason, and nothing on standard output`,
    { concurrency: 2 },
    () => {
      for (const { what, args, says, env, input } of cases) {
        it(what, async () => {
          const { code, stdout, stderr } = await run(args, env, input);
          assert.match(stderr, says);
          assert.equal(code, 2, stderr);
          assert.equal(stdout, '');
          assert.doesNotMatch(stderr, /^ +at /m, 'a stack trace');
        });
      }
    },
  );
}

test('help and version are exit 0', async () => {
  const help = await run(['run', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /default: 16\)[^]*default: 1800\)[^]*130 interrupted/);
  const version = await run(['--version']);
  assert.deepEqual([version.code, version.stdout.split('.').length], [0, 3]);
});

test('where no server answers, that is said with the address and what to do', async () => {
  const { code, stdout, stderr } = await run(['run', 'in.csv', ...TASK, ...AGENT]);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^agent-jobs: no Temporal server answers at 127\.0\.0\.1:1\. .*--local.*\n$/,
  );
});
