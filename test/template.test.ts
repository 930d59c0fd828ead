import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseTemplate, renderTemplate, TemplateError } from '../src/input/template.js';

function fill(text: string, row: Record<string, unknown> = {}): string {
  return renderTemplate(parseTemplate(text, Object.keys(row)), row);
}

function refusal(text: string, columns: string[]): TemplateError {
  try {
    parseTemplate(text, columns);
  } catch (error) {
    assert.ok(error instanceof TemplateError, String(error));
    return error;
  }
  assert.fail(`was not refused: ${text}`);
}

const row = { id: 7, name: 'Ann', body: 'see {id}' };

describe('a column in braces', () => {
  test('is filled with its value, as often as it stands there', () => {
    assert.equal(fill('{name}: {id}{id}.', row), 'Ann: 77.');
    assert.equal(fill('no column', row), 'no column');
    assert.equal(fill('', row), '');
  });

  test('is filled in a single pass: braces in a value mean nothing', () => {
    assert.equal(fill('{body} {id}', row), 'see {id} 7');
    assert.equal(fill('{a}{b}', { a: '{{x}}', b: '{b} }} $& $1' }), '{{x}}{b} }} $& $1');
    assert.equal(fill('{a}id}', { a: '{', id: 1 }), '{id}');
  });

  test('is nothing where the row has null or no such value', () => {
    const template = parseTemplate('<{a}{b}{c}>', ['a', 'b', 'c']);
    assert.equal(renderTemplate(template, { a: null, b: undefined }), '<>');
  });

  test('gives scalars as text and other values as JSON', () => {
    const values = { n: 0, f: 1.5, t: true, o: { a: [1, 'x'] }, l: [], s: ' "as is"\n' };
    assert.equal(fill('{n} {f} {t} {o} {l}{s}', values), '0 1.5 true {"a":[1,"x"]} [] "as is"\n');
  });

  test('may be named in any way', () => {
    const names = [
      'First Name',
      'größe',
      '日本',
      'a:b',
      '1st',
      'a.b-c',
      ' x ',
      'q"',
      'a{b',
      '{',
      '$&',
    ];
    for (const name of names) assert.equal(fill(`<{${name}}>`, { [name]: 'v' }), '<v>', name);
    assert.equal(fill('{a}b}{a}', { a: 1, 'a}b': 2 }), '21');
    assert.equal(fill('{"label": "x"}', { '"label": "x"': 'v' }), 'v');
  });

  test('may be named like object internals, and is then the row’s own value only', () => {
    const columns = ['__proto__', 'constructor', 'toString'];
    const template = parseTemplate('<{__proto__}{constructor}{toString}>', columns);
    assert.equal(renderTemplate(template, {}), '<>');
    const row = Object.fromEntries(columns.map((name) => [name, name.length]));
    assert.equal(renderTemplate(template, row), '<9118>');
  });
});

describe('doubled braces', () => {
  test('are literal braces', () => {
    assert.equal(fill('{{ and }}', row), '{ and }');
    assert.equal(fill('{{name}}', row), '{name}');
    assert.equal(fill('{{anything}}', row), '{anything}');
    assert.equal(fill('{{{name}}}', row), '{Ann}');
    assert.equal(fill('{{{{name}}}}', row), '{{name}}');
    assert.equal(fill('a }} b', row), 'a } b');
    assert.equal(fill('{name}}}', row), 'Ann}');
    assert.equal(fill('${{HOME}}', row), '${HOME}');
  });

  test('around JSON leave the JSON inside as it is, whether that is doubled or not', () => {
    assert.equal(fill('{{"a": {"b": 1}}}', row), '{"a": {"b": 1}}');
    assert.equal(fill('{{"a": {{"b": 1}}}}', row), '{"a": {"b": 1}}');
    assert.equal(fill('{{"a": {{"b": {id}}}}}', row), '{"a": {"b": 7}}');
    assert.equal(fill('{{"a": "}"}}', row), '{"a": "}"}');
  });
});

describe('braces of JSON and code', () => {
  test('are left alone', () => {
    const texts = [
      '{"label": "x"}',
      '{ "a": 1 }',
      '{}',
      '{ }',
      '{\n  "a": 1\n}',
      '{"a":{"b":1}}',
      '{"a":{"b":{"c":{}}}}',
      '[{"a":{}},{"b":{"c":[{}]}}]',
      "{'a': {'b': 1}}",
      '{"re": "a{2}b{3,}"}',
      '{"a": "}"}',
      '{"a": "}}"}',
      '{"a": "}", "b": {"c": {"d": 1}}}',
      "import { x } from 'y';",
      'function f() { return { a: 1 }; }',
      'cp {a,b} c',
      '{',
      '}',
      '} {',
      ':-} and {-:',
    ];
    for (const text of texts) assert.equal(fill(text, row), text);
  });

  test('may have columns between them', () => {
    assert.equal(fill('{"id": {id}}', row), '{"id": 7}');
    assert.equal(fill('{"a":{"id":{id}}}', row), '{"a":{"id":7}}');
    assert.equal(fill('{"name": "{name}", "x": {}}', row), '{"name": "Ann", "x": {}}');
  });
});

describe('a name in braces that is no column', () => {
  test('is refused with its place, the columns and how to write braces', () => {
    const error = refusal('Read this.\n  😀 {subjct}: {body}', ['subject', 'body']);
    assert.equal(error.placeholder, 'subjct');
    assert.deepEqual([error.line, error.column], [2, 5]);
    assert.equal(
      error.message,
      'instruction:2:5: {subjct} is no column of the input, which has {subject}, {body}. ' +
        'Write one of these, or {{subjct}} for the text with its braces.',
    );
  });

  test('is refused whatever name it may be', () => {
    for (const name of [
      'x',
      '_',
      'Name',
      'first name',
      'größe',
      '日本',
      'a.b-c_1',
      'name ',
      'id2',
    ]) {
      assert.equal(refusal(`text {${name}}`, ['id', 'name']).placeholder, name);
    }
    assert.equal(refusal('{"a": {x}}', ['id']).placeholder, 'x');
    assert.equal(refusal('{{{x}}}', ['id']).placeholder, 'x');
    assert.equal(refusal('{constructor}', ['id']).placeholder, 'constructor');
  });

  test('is refused, not left unfilled, where only spaces keep it from being a column', () => {
    const message = 'instruction:1:1: { name } has spaces that the column’s name has not. Write';
    const error = refusal('{ name }', ['id', 'name']);
    assert.equal(error.message.slice(0, message.length), message.replace('’', "'"));
    assert.equal(fill('{{ name }}', row), '{ name }');
  });

  test('is refused with at most 20 columns listed, and long names cut', () => {
    const columns = Array.from({ length: 23 }, (_, index) => `c${index}`);
    assert.match(refusal('{x}', columns).message, /\{c0\}, .*, \{c19\} and 3 more\. Write/);
    assert.match(refusal('{x}', columns.slice(0, 20)).message, /\{c19\}\. Write/);
    const long = 'n'.repeat(10_000);
    assert.ok(refusal(`{${long}}`, [`${long}2`]).message.length < 500);
  });
});

test('a text of a million braces takes no longer than it should', { timeout: 10_000 }, () => {
  const count = 1_000_000;
  assert.equal(fill('{'.repeat(count), row).length, count / 2);
  assert.equal(fill('}'.repeat(count), row).length, count / 2);
  assert.equal(fill('{ '.repeat(count), row).length, count * 2);
  assert.equal(fill('{a'.repeat(count), row).length, count * 2);
  assert.equal(fill('{name}'.repeat(count), row).length, count * 3);
});
