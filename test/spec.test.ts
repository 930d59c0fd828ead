/** The spec of a job: what is refused, with which path, and what the defaults are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobSpec } from '../src/job.js';
import { SpecError, isRerun, parseRerun, parseSpec, settingsOf } from '../src/spec.js';

const MINIMAL = { csv_path: '/data/in.csv', instruction: 'Do {id}', agent: { command: ['true'] } };

function problems(spec: unknown): string[] {
  try {
    parseSpec(spec);
    return [];
  } catch (error) {
    assert.ok(error instanceof SpecError, String(error));
    assert.equal(error.message, error.problems.join('\n'));
    return error.problems;
  }
}

/** The problems of an otherwise good spec with these fields. */
function problemsWith(fields: object): string[] {
  return problems({ ...MINIMAL, ...fields });
}

const KINDS =
  'agent: must be {"preset": NAME}, {"command": [...]}, {"external": true} or {"activity": NAME, "task_queue": QUEUE}';
const ABSOLUTE = 'must be an absolute path: a worker may run in another folder';

test('a good spec comes out as it went in', () => {
  const full: JobSpec = {
    ...MINIMAL,
    agent: {
      command: ['node', '', '{prompt}'],
      workdir: '/work/{id}',
      isolate: 'worktree',
      setup: 'npm ci',
      teardown: 'npm run down',
      pass_env: ['A', 'B_*'],
    },
    id_column: 'id',
    output_csv_path: '/data/out.JSONL',
    overwrite: true,
    output_schema: { type: 'object' },
    max_concurrency: 1000,
    max_runtime_seconds: 0.1,
    max_attempts: 100,
    report_grace_seconds: 0,
    exit_grace_seconds: 3600,
    max_result_bytes: 1_048_576,
  };
  for (const spec of [
    MINIMAL,
    full,
    { ...MINIMAL, output_schema: true },
    { ...MINIMAL, agent: { external: true } },
    { ...MINIMAL, agent: { activity: 'classify', task_queue: 'q' } },
  ]) {
    assert.deepEqual(parseSpec(spec), spec);
  }
});

test('what is no spec is refused', () => {
  for (const [input, type] of [
    [undefined, 'undefined'],
    [null, 'null'],
    ['{}', 'string'],
    [[], 'array'],
    [1, 'number'],
  ]) {
    assert.deepEqual(problems(input), [
      `Invalid input: expected object, received ${type as string}`,
    ]);
  }
  assert.deepEqual(problems({}), [
    'csv_path: Invalid input: expected string, received undefined',
    'instruction: Invalid input: expected string, received undefined',
    KINDS,
  ]);
  const deep = JSON.parse('{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000)) as object;
  assert.equal(problemsWith({ output_schema: deep }).length, 1);
});

test('every problem is told, with the path of its field', () => {
  const cases: [fields: object, ...problems: string[]][] = [
    [{ csv_path: 'in.csv' }, `csv_path: ${ABSOLUTE}`],
    [{ csv_path: '' }, 'csv_path: must not be empty', `csv_path: ${ABSOLUTE}`],
    [{ csv_path: 1 }, 'csv_path: Invalid input: expected string, received number'],
    [{ instruction: '' }, 'instruction: must not be empty'],
    [{ id_column: '' }, 'id_column: must not be empty'],
    [{ output_csv_path: 'out.csv' }, `output_csv_path: ${ABSOLUTE}`],
    [{ output_csv_path: '/out.txt' }, 'output_csv_path: must end in .csv or .jsonl'],
    [{ overwrite: 'yes' }, 'overwrite: Invalid input: expected boolean, received string'],
    [{ max_concurrency: 0 }, 'max_concurrency: Too small: expected number to be >=1'],
    [{ max_concurrency: 1001 }, 'max_concurrency: Too big: expected number to be <=1000'],
    [{ max_concurrency: 1.5 }, 'max_concurrency: Invalid input: expected int, received number'],
    [{ max_concurrency: '4' }, 'max_concurrency: Invalid input: expected number, received string'],
    [{ max_runtime_seconds: 0 }, 'max_runtime_seconds: Too small: expected number to be >=0.1'],
    [
      { max_runtime_seconds: 604_801 },
      'max_runtime_seconds: Too big: expected number to be <=604800',
    ],
    [{ max_attempts: 0 }, 'max_attempts: Too small: expected number to be >=1'],
    [{ max_attempts: 101 }, 'max_attempts: Too big: expected number to be <=100'],
    [{ report_grace_seconds: -1 }, 'report_grace_seconds: Too small: expected number to be >=0'],
    [{ exit_grace_seconds: 3601 }, 'exit_grace_seconds: Too big: expected number to be <=3600'],
    [{ max_result_bytes: 0 }, 'max_result_bytes: Too small: expected number to be >=1'],
    [{ max_result_bytes: 1_048_577 }, 'max_result_bytes: Too big: expected number to be <=1048576'],
    [{ concurrency: 4, 'max-attempts': 2 }, 'Unrecognized keys: "concurrency", "max-attempts"'],
    [
      { instruction: '', max_attempts: 0 },
      'instruction: must not be empty',
      'max_attempts: Too small: expected number to be >=1',
    ],
  ];
  for (const [fields, ...expected] of cases) {
    assert.deepEqual(problemsWith(fields), expected, JSON.stringify(fields));
  }
});

test('the agent is of one kind, and a mistake is told about the kind that was meant', () => {
  const cases: [agent: unknown, ...problems: string[]][] = [
    [undefined, KINDS],
    [null, KINDS],
    ['claude', KINDS],
    [{}, KINDS],
    [{ workdir: '/work' }, KINDS],
    [{ task_queue: 'q' }, KINDS],
    [{ command: 'claude' }, 'agent.command: Invalid input: expected array, received string'],
    [{ command: [] }, 'agent.command: needs a program'],
    [{ command: [''] }, 'agent.command: needs a program'],
    [{ command: ['a', 1] }, 'agent.command.1: Invalid input: expected string, received number'],
    [{ command: ['a'], workdir: 'work' }, `agent.workdir: ${ABSOLUTE}`],
    [{ command: ['a'], external: true }, 'agent: Unrecognized key: "external"'],
    [{ external: false }, 'agent.external: Invalid input: expected true'],
    [{ external: true, workdir: '/work' }, 'agent: Unrecognized key: "workdir"'],
    [{ external: true, setup: 'make' }, 'agent: Unrecognized key: "setup"'],
    [{ command: ['a'], isolate: 'container' }, 'agent.isolate: Invalid input: expected "worktree"'],
    [{ preset: 'codex', setup: '' }, 'agent.setup: must not be empty'],
    [
      { preset: 'claude', teardown: 1 },
      'agent.teardown: Invalid input: expected string, received number',
    ],
    [{ activity: 'a' }, 'agent.task_queue: Invalid input: expected string, received undefined'],
    [{ activity: '', task_queue: 'q' }, 'agent.activity: must not be empty'],
  ];
  for (const [agent, ...expected] of cases) {
    assert.deepEqual(problemsWith({ agent }), expected, JSON.stringify(agent));
  }
});

test('the output schema is checked, with the place in it', () => {
  const cases: [schema: unknown, problem: string][] = [
    ['string', 'output_schema: Invalid input'],
    [null, 'output_schema: Invalid input'],
    [[], 'output_schema: Invalid input'],
    [
      { properties: { a: { type: 'text' } } },
      'output_schema.properties.a.type: "text" is none of null, boolean, object, array, number, integer, string',
    ],
    [
      { $ref: 'https://example.org/s' },
      'output_schema: the reference "https://example.org/s" is not in the schema',
    ],
    [{ title: 'x'.repeat(32_768) }, 'output_schema: is 32780 bytes, at most 32768 are taken'],
  ];
  for (const [output_schema, problem] of cases) {
    assert.deepEqual(problemsWith({ output_schema }), [problem]);
  }
  assert.deepEqual(problemsWith({ output_schema: { title: 'x'.repeat(32_768 - 12) } }), []);
});

test('settings have every default, and neither the instruction nor the command', () => {
  assert.deepEqual(settingsOf(parseSpec(MINIMAL), '0123456789'), {
    csv_path: '/data/in.csv',
    output_csv_path: '/data/in.agent-job-01234567.csv',
    max_concurrency: 16,
    agent: { kind: 'process' },
    limits: {
      max_runtime_seconds: 1800,
      max_attempts: 1,
      report_grace_seconds: 5,
      exit_grace_seconds: 30,
      max_result_bytes: 262_144,
    },
  });
  const limits = {
    max_runtime_seconds: 1,
    max_attempts: 2,
    report_grace_seconds: 0,
    exit_grace_seconds: 0,
    max_result_bytes: 3,
  };
  const stated = parseSpec({
    ...MINIMAL,
    ...limits,
    agent: { activity: 'a', task_queue: 'q' },
    output_csv_path: '/out.jsonl',
    output_schema: false,
    max_concurrency: 7,
  });
  assert.deepEqual(settingsOf(stated, 'j'), {
    csv_path: '/data/in.csv',
    output_csv_path: '/out.jsonl',
    max_concurrency: 7,
    agent: { kind: 'activity', activity: 'a', task_queue: 'q' },
    limits,
    output_schema: false,
  });
  assert.deepEqual(settingsOf(parseSpec({ ...MINIMAL, agent: { external: true } }), 'j').agent, {
    kind: 'external',
  });
});

test('rows of an earlier job are asked for with what is to be different alone', () => {
  const rerun = {
    rerun_of: { job_id: 'first', statuses: ['failed'], where: { team: 'x' }, item_ids: ['a'] },
    agent: { preset: 'codex' },
    max_runtime_seconds: 60,
    output_csv_path: '/data/again.csv',
  };
  assert.equal(isRerun(rerun), true);
  assert.deepEqual(parseRerun(rerun), rerun);
  const spec = { ...MINIMAL, rerun_of: { where: { team: 'x' } } };
  assert.equal(isRerun(spec), false);
  assert.deepEqual(parseSpec(spec), spec);
  for (const [fields, problem] of [
    [{ csv_path: '/data/in.csv' }, /Unrecognized key: "csv_path"/],
    [{ id_column: 'id' }, /Unrecognized key: "id_column"/],
    [{ max_concurrency: 0 }, /max_concurrency: /],
    [{ output_schema: { type: 'nothing' } }, /output_schema/],
    [{ rerun_of: { job_id: 'a/b' } }, /rerun_of.job_id: a job ID is/],
    [{ rerun_of: { job_id: 'a', statuses: ['completed'] } }, /rerun_of.statuses.0: /],
    [{ rerun_of: { job_id: 'a', item_ids: [] } }, /rerun_of.item_ids: must not be empty/],
    [{ rerun_of: { job_id: 'a', where: { n: 1 } } }, /rerun_of.where.n: /],
  ] as const) {
    assert.throws(() => parseRerun({ ...rerun, ...fields }), problem);
  }
  for (const other of [null, undefined, 1, 'x', [], {}, { rerun_of: null }, { rerun_of: 'x' }]) {
    assert.equal(isRerun(other), false);
  }
});
