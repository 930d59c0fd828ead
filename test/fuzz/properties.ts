/** What must hold whatever comes in. Each takes so many cases of each hundred. */
import assert from 'node:assert/strict';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { RequestRefused, readChange, readItemId, readReason } from '../../src/control-message.js';
import { InputError } from '../../src/input/input-error.js';
import { ItemIds } from '../../src/input/item-ids.js';
import { readRows } from '../../src/input/read-rows.js';
import {
  TemplateError,
  literally,
  parseTemplate,
  renderTemplate,
} from '../../src/input/template.js';
import { type JobSpec, type Json, jobIdProblem } from '../../src/job.js';
import { itemOf, itemWorkflowId } from '../../src/messages.js';
import { checkReport } from '../../src/report-message.js';
import { SchemaError, compileSchema } from '../../src/schema.js';
import { SpecError, parseSpec, settingsOf } from '../../src/spec.js';
import { ReportInbox } from '../../src/workflows/report-inbox.js';
import { anyJson, anything, chunked, json, nasty, nastyBytes } from './arbitraries.js';

export interface Fuzzed {
  name: string;
  /** Of a hundred cases. */
  share: number;
  property: fc.IRawProperty<unknown>;
}

type Read = { rows: unknown[]; columns: string[] } | { refused: string };

/** Rows as entries, so that no name is special; or the refusal. */
async function read(name: string, bytes: Uint8Array, chunk: number): Promise<Read> {
  const rows: unknown[] = [];
  try {
    const input = readRows(name, chunked(bytes, chunk));
    for await (const { line, row } of input.rows) rows.push([line, Object.entries(row)]);
    return { rows, columns: input.columns() };
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    assert.ok(error.message.startsWith(`${name}:`));
    return { refused: error.message };
  }
}

const file = (name: string) =>
  fc.asyncProperty(nastyBytes, fc.integer({ min: 1, max: 9 }), async (bytes, chunk) => {
    const whole = await read(name, bytes, bytes.length || 1);
    const inChunks = await read(name, bytes, chunk);
    // A byte that is not UTF-8 may be found before a fault of an earlier line, if that is in its chunk.
    if (isNotText(whole) || isNotText(inChunks))
      assert.ok('refused' in whole && 'refused' in inChunks);
    else assert.deepEqual(inChunks, whole);
  });

const isNotText = (found: Read) => 'refused' in found && /not UTF-8|UTF-16/.test(found.refused);

const cell = nasty.map((text) => text.toWellFormed());
const csvTable = fc.integer({ min: 1, max: 5 }).chain((width) =>
  fc.tuple(
    fc.uniqueArray(
      cell.filter((name) => name.trim() !== '' && !name.startsWith('\ufeff')),
      {
        minLength: width,
        maxLength: width,
      },
    ),
    fc.array(fc.array(cell, { minLength: width, maxLength: width }), {
      minLength: 1,
      maxLength: 5,
    }),
  ),
);

const written = fc.asyncProperty(csvTable, async ([columns, rows]) => {
  const text = stringify([columns, ...rows], { quoted: true });
  const kept = rows.filter((cells) => cells.some((each) => each.trim() !== ''));
  const found = (await read('x.csv', Buffer.from(text), 7)) as { rows?: [number, unknown][] };
  if (kept.length === 0) return;
  assert.deepEqual(
    found.rows?.map(([, entries]) => new Map(entries as [string, string][])),
    kept.map((cells) => new Map(columns.map((column, n) => [column, cells[n]!]))),
  );
});

const jsonLines = fc.asyncProperty(
  fc.array(
    fc.dictionary(
      cell.filter((name) => name.trim() !== ''),
      json,
      { minKeys: 1 },
    ),
    { minLength: 1, maxLength: 5 },
  ),
  async (rows) => {
    const text = rows.map((row) => JSON.stringify(row)).join('\n');
    const found = (await read('x.jsonl', Buffer.from(text), 5)) as { rows: [number, unknown][] };
    const parsed = rows.map((row) => Object.entries(JSON.parse(JSON.stringify(row)) as object));
    assert.deepEqual(
      found.rows.map(([, entries]) => entries),
      parsed,
    );
  },
);

const template = fc.property(
  nasty,
  fc.array(nasty, { maxLength: 5 }),
  fc.dictionary(nasty, json),
  (text, columns, row) => {
    try {
      const rendered = renderTemplate(parseTemplate(text, columns), row);
      assert.equal(typeof rendered, 'string');
    } catch (error) {
      assert.ok(error instanceof TemplateError, String(error));
      assert.ok(error.message.length < 3000);
    }
    // What a row says is not a template.
    const hostile = parseTemplate('<{a}>', ['a']);
    assert.equal(renderTemplate(hostile, { a: text }), `<${text}>`);
    // A column may be called `{a}`: then there is no text that is not it.
    const plain = columns.filter((column) => !column.includes('{'));
    assert.equal(renderTemplate(parseTemplate(literally(text), plain), row), text);
  },
);

const itemIds = fc.property(fc.array(fc.oneof(nasty, json), { maxLength: 30 }), (sources) => {
  const idsOf = () => {
    const ids = new ItemIds();
    return sources.map((source, n) => ids.next(n, source).item_id);
  };
  const ids = idsOf();
  assert.deepEqual(idsOf(), ids);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) {
    const workflowId = itemWorkflowId('j'.repeat(128), id, 1000);
    assert.ok(id.isWellFormed() && !id.includes('\0') && id !== '');
    assert.ok(Buffer.byteLength(workflowId) <= 1000);
    const key = encodeURIComponent(id);
    assert.deepEqual(itemOf(workflowId), { key, item_id: id, generation: 1000 });
  }
});

const GOOD_SPEC: JobSpec = { csv_path: '/x.csv', instruction: 'x', agent: { external: true } };
const FIELDS = [
  ...'csv_path input_key instruction agent id_column output_csv_path overwrite output_schema'.split(
    ' ',
  ),
  ...'max_concurrency max_runtime_seconds max_attempts tolerated_failures max_result_bytes'.split(
    ' ',
  ),
  ...['__proto__', 'constructor', 'unknown'],
];
const specValue = fc.oneof(
  anything,
  fc.integer(),
  fc.dictionary(
    fc.constantFrom('command', 'preset', 'external', 'activity', 'workdir', 'setup', 'x'),
    anyJson,
  ),
);

const spec = fc.property(
  fc.dictionary(fc.constantFrom(...FIELDS), specValue),
  fc.boolean(),
  nasty,
  (fields, complete, jobId) => {
    jobIdProblem(jobId);
    try {
      const parsed = parseSpec(complete ? { ...GOOD_SPEC, ...fields } : fields);
      assert.ok(parsed.csv_path.startsWith('/'));
      assert.ok(settingsOf(parsed, 'j').limits.max_attempts >= 1);
    } catch (error) {
      assert.ok(error instanceof SpecError, `${String(error)} ${(error as Error).stack}`);
    }
  },
);

const KEYWORDS = [
  ...'type properties items required enum const pattern format minimum maxLength uniqueItems'.split(
    ' ',
  ),
  ...'allOf anyOf oneOf not if then $ref $id $defs patternProperties additionalProperties'.split(
    ' ',
  ),
];
const PATTERNS = ['^(a+)+$', '(?=a)', '(a|a)*b', '\\1', '[', '\\p{L}+', '^.{0,999}$'];
const schema = fc.letrec<{ schema: unknown; value: unknown }>((tie) => ({
  schema: fc.dictionary(fc.constantFrom(...KEYWORDS), tie('value'), { maxKeys: 4 }),
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'schema' },
    fc.constantFrom(
      'string',
      'object',
      'array',
      '#',
      '#/$defs/a',
      'https://example.com/x',
      ...PATTERNS,
    ),
    fc.integer({ min: -1, max: 5 }),
    fc.boolean(),
    tie('schema'),
    fc.array(tie('schema'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), tie('schema'), {
      maxKeys: 3,
    }),
  ),
})).schema;

const schemas = fc.property(schema, anyJson, (rules, result) => {
  let check;
  try {
    check = compileSchema(rules as { [key: string]: Json });
  } catch (error) {
    assert.ok(error instanceof SchemaError, `${String(error)} ${(error as Error).stack}`);
    return;
  }
  const errors = check(result as Json);
  assert.ok(errors.length <= 10);
});

const SCHEMA = { type: 'object', properties: { a: { type: 'number' } } };
const messages = fc.array(
  fc.oneof(
    anything,
    fc.record(
      {
        result: anyJson,
        stop: anything,
        run: fc.oneof(fc.constant(1), anything),
        item_id: nasty,
        x: anything,
      },
      { requiredKeys: ['result'] },
    ),
    fc.record({ result: fc.record({ a: fc.integer() }) }),
  ),
  { maxLength: 6 },
);

const reports = fc.property(messages, fc.boolean(), (all, together) => {
  const rules = { check: compileSchema(SCHEMA), max_result_bytes: 1000 };
  const inbox = new ReportInbox({ job_id: 'j', item_id: 'i' }, rules);
  inbox.run = 1;
  let first: unknown;
  for (const message of all) {
    const answer = together ? inbox.receive(...all) : inbox.receive(message);
    if (answer.accepted) first ??= JSON.stringify(inbox.accepted!.result);
    else assert.ok(answer.errors.length > 0 && JSON.stringify(answer).length < 20_000);
    if ('errors' in checkReport(message, rules)) assert.equal(answer.accepted, false);
    assert.equal(first, inbox.accepted && JSON.stringify(inbox.accepted.result));
    assert.ok(inbox.refused.length <= 5);
  }
});

const control = fc.property(fc.array(anything, { maxLength: 3 }), (given) => {
  for (const readOne of [readChange, readItemId]) {
    try {
      readOne(given);
    } catch (error) {
      assert.ok(error instanceof RequestRefused, `${String(error)} ${(error as Error).stack}`);
      assert.ok(error.message.length <= 500);
    }
  }
  assert.ok(readReason(given, 'otherwise').length <= 200);
});

export const PROPERTIES: Fuzzed[] = [
  { name: 'CSV of any bytes', share: 16, property: file('x.csv') },
  { name: 'CSV that was written by another program', share: 8, property: written },
  { name: 'JSON Lines of any bytes', share: 10, property: file('x.jsonl') },
  { name: 'JSON Lines of any values', share: 6, property: jsonLines },
  { name: 'templates', share: 14, property: template },
  { name: 'item IDs', share: 8, property: itemIds },
  { name: 'specs', share: 10, property: spec },
  { name: 'schemas and results', share: 8, property: schemas },
  { name: 'reports', share: 8, property: reports },
  { name: 'what is asked of jobs', share: 4, property: control },
];
