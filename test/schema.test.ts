/** Output schemas: which are taken, what they refuse, and that no check takes long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, ReportError } from '../src/job.js';
import { checkReport } from '../src/report-message.js';
import { SchemaError, compileSchema } from '../src/schema.js';

type Schema = Parameters<typeof compileSchema>[0];

/** `path: message` of each error. */
function errors(schema: Schema, result: Json): string[] {
  return told(compileSchema(schema)(result));
}

function told(found: ReportError[]): string[] {
  return found.map(({ path, message }) => (path ? `${path}: ${message}` : message));
}

function valid(schema: Schema, ...results: Json[]): void {
  for (const result of results)
    assert.deepEqual(errors(schema, result), [], JSON.stringify(result));
}

function refusedSchema(schema: unknown, message: string | RegExp): void {
  assert.throws(
    () => compileSchema(schema as Schema),
    (error) => {
      assert.ok(error instanceof SchemaError, String(error));
      if (typeof message === 'string') assert.equal(error.message, message);
      else assert.match(error.message, message);
      return true;
    },
  );
}

const EXPRESSION = {
  $defs: {
    expression: {
      anyOf: [
        { type: 'number' },
        ...['add', 'multiply', 'divide', 'subtract'].map((operator) => ({
          type: 'object',
          properties: {
            left: { $ref: '#/$defs/expression' },
            right: { $ref: '#/$defs/expression' },
            operator: { const: operator },
          },
          required: ['operator', 'left', 'right'],
          additionalProperties: false,
        })),
      ],
    },
  },
  $ref: '#/$defs/expression',
};

test('errors tell the place in the result, and the innermost cause', () => {
  const schema = {
    type: 'object',
    properties: {
      label: { enum: ['good', 'bad'] },
      tags: { type: 'array', items: { type: 'string', maxLength: 3 }, minItems: 1 },
      nested: { properties: { 'a/b': { type: ['integer', 'null'] } } },
      unknown: false,
    },
    required: ['label'],
    additionalProperties: false,
  };
  valid(schema, { label: 'good' }, { label: 'bad', tags: ['abc'], nested: { 'a/b': null, c: 1 } });
  assert.deepEqual(errors(schema, {}), ['Instance does not have required property "label".']);
  assert.deepEqual(errors(schema, []), ['Instance type "array" is invalid. Expected "object".']);
  assert.deepEqual(
    errors(schema, { label: 'ugly', tags: ['a', 'abcd', 1], unknown: 1, other: 2 }),
    [
      '/label: Instance does not match any of ["good","bad"].',
      '/tags/1: String is too long (4 > 3).',
      '/tags/2: Instance type "number" is invalid. Expected "string".',
      '/unknown: The schema allows nothing here.',
      '/other: The schema allows nothing here.',
    ],
  );
  assert.deepEqual(errors(schema, { label: 'good', nested: { 'a/b': 1.5 }, tags: [] }), [
    '/tags: Array has too few items (0 < 1).',
    '/nested/a~1b: Instance type "number" is invalid. Expected "integer", "null".',
  ]);
  assert.equal(errors({ items: { type: 'string' } }, Array<number>(500).fill(1)).length, 10);
  valid(true, 1, null);
  assert.deepEqual(errors(false, 1), ['The schema allows nothing here.']);
});

test('alternatives and conditions', () => {
  const either = {
    oneOf: [{ type: 'number' }, { type: 'integer' }, { type: 'string', minLength: 2 }],
  };
  valid(either, 1.5, 'ab');
  assert.deepEqual(errors(either, 1), [
    'Instance does not match exactly one subschema (2 matches).',
  ]);
  assert.deepEqual(errors(either, 'a').at(-1), 'String is too short (1 < 2).');
  const rule = JSON.parse(
    '{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}',
  ) as Schema;
  valid(rule, { a: 1, b: 1 }, { c: 1 });
  assert.deepEqual(errors(rule, { a: 1 }), ['Instance does not have required property "b".']);
  assert.deepEqual(errors(rule, {}), ['Instance does not have required property "c".']);
  assert.deepEqual(errors({ not: { type: 'null' } }, null), ['Instance matched "not" schema.']);
  const open = { allOf: [{ properties: { a: {} } }], unevaluatedProperties: false };
  valid(open, { a: 1 });
  assert.deepEqual(errors(open, { b: 1 }), ['/b: The schema allows nothing here.']);
  const unique = { prefixItems: [{}], uniqueItems: true, unevaluatedItems: false };
  valid(unique, [1]);
  assert.deepEqual(errors(unique, [1, 2]), ['/1: The schema allows nothing here.']);
  assert.deepEqual(errors({ uniqueItems: true }, [{ a: 1 }, 2, { a: 1 }]), [
    'Duplicate items at indexes 0 and 2.',
  ]);
  valid({ dependentRequired: { a: ['b'] } }, { a: 1, b: 2 }, {});
});

test('patterns are found anywhere in the text, beside an `allOf`, and told', () => {
  const schema = { pattern: '^[A-Z]+$', allOf: [{ maxLength: 3 }] };
  valid(schema, 'ABC', 12);
  assert.deepEqual(errors(schema, 'abcd'), [
    'String is too long (4 > 3).',
    'String does not match pattern "^[A-Z]+$".',
  ]);
  valid({ pattern: 'b' }, 'abc');
  valid({ pattern: '^\\p{L}+ \\d{2}$' }, 'Ünï 42');
  valid({ pattern: '^.$' }, '🦊');
  valid({ propertyNames: { pattern: '^x-' } }, { 'x-a': 1 });
  assert.deepEqual(errors({ propertyNames: { pattern: '^x-' } }, { a: 1 }), [
    '/a: String does not match pattern "^x-".',
  ]);
});

test('patterns take linear time, and any other is refused with its place', () => {
  for (const pattern of ['^(a+)+$', '^(a|a)*$', '^(a*)*b?$', '(x+x+)+y']) {
    const text = 'a'.repeat(50) + 'b!' + 'x'.repeat(50);
    assert.equal(errors({ pattern }, text).length, 1, pattern);
    assert.equal(errors({ pattern }, 'a'.repeat(200_000) + 'b!').length, 1, pattern);
  }

  const notLinear =
    /is not a pattern that can be matched in linear time \(RE2 syntax: no look-around, no back-references\): /;
  const at = (place: string) => new RegExp(`^${place}: .*${notLinear.source}`);
  const inside = (pattern: string) => ({ properties: { code: { allOf: [{ pattern }] } } });
  for (const pattern of ['(?=a)', '(?<!a)b', '(a)\\1', '(', 'a{1,99999}']) {
    refusedSchema({ pattern }, at('\\.pattern'));
    refusedSchema(inside(pattern), at('\\.properties\\.code\\.allOf\\.0\\.pattern'));
  }
  refusedSchema(
    { items: { patternProperties: { '^a': {} } } },
    '.items.patternProperties: is not supported; use "propertyNames" with a "pattern" and "additionalProperties"',
  );
});

test('formats are checked where they are known, and only describe otherwise', () => {
  const good = {
    date: '2024-02-29',
    'date-time': '2024-02-29T10:00:00Z',
    email: 'a@example.org',
    ipv4: '10.0.0.1',
    uri: 'https://example.org/x',
    uuid: '123e4567-e89b-12d3-a456-426614174000',
  };
  for (const [format, text] of Object.entries(good)) {
    valid({ format }, text);
    assert.deepEqual(errors({ format }, 'no'), [`String does not match format "${format}".`]);
  }
  for (const format of ['color', 'url', '__proto__', 'toString', 'constructor', 'pattern ^b$']) {
    valid({ format }, 'a', `http://${'a'.repeat(60)}`);
  }
});

test('names of JavaScript are names like others', () => {
  const schema = JSON.parse(
    '{"properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}},"additionalProperties":false}',
  ) as Schema;
  valid(schema, JSON.parse('{"__proto__":"a","constructor":"b"}') as Json);
  assert.deepEqual(errors(schema, JSON.parse('{"__proto__":1,"toString":2}') as Json), [
    '/__proto__: Instance type "number" is invalid. Expected "string".',
    '/toString: The schema allows nothing here.',
  ]);
  assert.deepEqual(errors({ required: ['__proto__', 'toString'] }, {}).length, 2);
});

test('a name that is half of a surrogate pair is refused', () => {
  for (const half of ['\ud800', 'x\udc00y']) {
    assert.deepEqual(errors({ additionalProperties: {} }, { [half]: 0 }), [
      'the result has a property name that is not Unicode: half of a surrogate pair',
    ]);
    refusedSchema({ properties: { [half]: {} } }, /^: has a property name that is not Unicode/);
    valid({ properties: { a: {} } }, { a: half });
  }
});

test('what looks like a keyword, and is a name or data, is none', () => {
  const names = { pattern: { type: 'string' }, patternProperties: true, type: { const: 1 } };
  const schema = {
    properties: { ...names, $ref: { type: 'number' } },
    $defs: { items: { type: 'string' } },
    enum: [{ pattern: '(?=a)', type: 'word', patternProperties: 1 }, {}],
    default: { type: 'word', $ref: 'https://example.org' },
    'x-own': { type: 'word', pattern: '(?=a)', $ref: 'https://example.org' },
  };
  valid(schema, {});
  valid({ properties: names }, { pattern: 'a', patternProperties: 1, type: 1 });
  valid({ const: { patternProperties: 1 } }, { patternProperties: 1 });
});

test('references go within the schema, also in circles', () => {
  const tree = {
    $defs: {
      node: { type: 'object', properties: { children: { items: { $ref: '#/$defs/node' } } } },
    },
    $ref: '#/$defs/node',
  };
  valid(tree, { children: [{}, { children: [{ children: [] }] }] });
  assert.deepEqual(errors(tree, { children: [{ children: [1] }] }), [
    '/children/0/children/0: Instance type "number" is invalid. Expected "object".',
  ]);
  valid({ definitions: { 'a/b': { type: 'string' } }, $ref: '#/definitions/a~1b' }, 'x');
  valid({ $defs: { a: { $anchor: 'here', type: 'string' } }, items: { $ref: '#here' } }, ['x']);
  valid(
    { allOf: [{ type: 'string' }], properties: { a: { $ref: '#/allOf/0' } }, pattern: 'x' },
    'x',
  );
  valid(EXPRESSION, 1, { operator: 'add', left: 1, right: 2 });

  for (const $ref of ['https://example.org/schema', '#/$defs/missing', 'other.json', '#missing']) {
    refusedSchema({ items: { $ref } }, `: the reference "${$ref}" is not in the schema`);
  }
  refusedSchema({ $ref: 'http://[' }, ': Invalid URL');
  refusedSchema({ $ref: '#' }, ': the reference "#" leads back to itself');
  refusedSchema(
    { $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } } },
    / leads back to itself$/,
  );
  refusedSchema({ oneOf: [true, { not: { $ref: '#' } }] }, / leads back to itself$/);
  refusedSchema({ dependentSchemas: { a: { $ref: '#' } } }, / leads back to itself$/);
});

test('a keyword with a value that it does not take is refused, with its place', () => {
  const cases: [schema: unknown, message: string][] = [
    [
      { type: 'text' },
      '.type: "text" is none of null, boolean, object, array, number, integer, string',
    ],
    [
      { items: { type: ['string', 'Number'] } },
      '.items.type: "Number" is none of null, boolean, object, array, number, integer, string',
    ],
    [{ type: [] }, '.type: names no type'],
    [{ properties: { a: 'string' } }, '.properties.a: must be a schema: an object, true or false'],
    [{ properties: [] }, '.properties: must be an object of schemas'],
    [
      { items: [{ type: 'string' }] },
      '.items: must be one schema; for a list of them use "prefixItems"',
    ],
    [{ items: null }, '.items: must be a schema: an object, true or false'],
    [{ anyOf: {} }, '.anyOf: must be a list of schemas'],
    [{ allOf: [] }, '.allOf: must be a list of schemas'],
    [{ allOf: [{}, 1] }, '.allOf.1: must be a schema: an object, true or false'],
    [{ required: 'label' }, '.required: must be a list of texts'],
    [{ required: [1] }, '.required: must be a list of texts'],
    [{ enum: 'a' }, '.enum: must be a list'],
    [{ minLength: '1' }, '.minLength: must be a whole number from 0'],
    [{ maxItems: -1 }, '.maxItems: must be a whole number from 0'],
    [{ minimum: '1' }, '.minimum: must be a number'],
    [{ exclusiveMinimum: true }, '.exclusiveMinimum: must be a number'],
    [{ multipleOf: 0 }, '.multipleOf: must be a number above 0'],
    [{ uniqueItems: 'yes' }, '.uniqueItems: must be true or false'],
    [{ pattern: 1 }, '.pattern: must be a text'],
    [{ $ref: {} }, '.$ref: must be a text'],
    [{ dependentRequired: { a: 'b' } }, '.dependentRequired: must be an object of lists of texts'],
    [{ $dynamicRef: '#a' }, '.$dynamicRef: is not supported; use "$ref"'],
    [
      { dependencies: {} },
      '.dependencies: is not supported; use "dependentRequired" or "dependentSchemas"',
    ],
  ];
  for (const [schema, message] of cases) refusedSchema(schema, message);
  let deep: Schema = {};
  for (let level = 0; level < 101; level += 1) deep = { items: deep };
  refusedSchema(deep, ': is nested deeper than 100 levels');
});

test('no schema and result take long, and a result that would is refused', () => {
  const tooLong = ['the result is too large, or nested too deeply, to be checked by the schema'];
  const nested = (levels: number) => {
    let result: Json = 1;
    for (let level = 0; level < levels; level += 1)
      result = { operator: 'divide', left: result, right: 1 };
    return result;
  };
  // Not timed: what is to be excluded does not come to an end.
  // Each level is tried by each alternative, which takes 4^30 steps.
  assert.deepEqual(errors(EXPRESSION, nested(30)), tooLong);
  valid(EXPRESSION, nested(5));
  const objects = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));
  valid({ uniqueItems: true }, objects(2000));
  assert.deepEqual(errors({ uniqueItems: true }, objects(20_000)), tooLong);
  assert.deepEqual(errors({ items: { type: 'string' } }, Array<number>(300_000).fill(1)), [
    '/0: Instance type "number" is invalid. Expected "string".',
  ]);
  valid({ items: { type: 'integer' } }, Array<number>(500_000).fill(1));

  const list = '['.repeat(150) + ']'.repeat(150);
  const rules = {
    check: compileSchema({ $ref: '#/$defs/l', $defs: { l: { items: { $ref: '#/$defs/l' } } } }),
    max_result_bytes: 1000,
  };
  assert.ok('report' in checkReport({ result: JSON.parse(list) }, rules));
});
