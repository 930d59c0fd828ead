import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { InputError } from '../src/input/input-error.js';
import { readRows, type InputRow } from '../src/input/read-rows.js';

const folder = mkdtempSync(join(tmpdir(), 'read-rows-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function read(path: string): Promise<{ columns: string[]; rows: InputRow[] }> {
  const input = readRows(path);
  const rows: InputRow[] = [];
  for await (const row of input.rows) rows.push(row);
  return { columns: input.columns(), rows };
}

const readCsv = (content: string | Uint8Array) => read(file('in.csv', content));
const readJsonl = (content: string | Uint8Array) => read(file('in.jsonl', content));

/** Cells in column order, which is easier on the eye than objects. */
async function cells(content: string | Uint8Array): Promise<unknown[][]> {
  const { columns, rows } = await readCsv(content);
  return rows.map(({ line, row }) => [line, ...columns.map((name) => row[name])]);
}

/** Requires that the file is refused with `<path>:<line>: <text…>`. */
async function refused(
  name: string,
  content: string | Uint8Array,
  line: number | undefined,
  text: RegExp,
): Promise<InputError> {
  const path = file(name, content);
  const error = await read(path).then(
    () => assert.fail('was not refused'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof InputError, String(error));
  assert.equal(error.path, path);
  assert.equal(error.line, line);
  const prefix = line === undefined ? `${path}: ` : `${path}:${line}: `;
  assert.equal(error.message.slice(0, prefix.length), prefix);
  assert.match(error.message.slice(prefix.length), text);
  return error;
}

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));

describe('a CSV file', () => {
  test('gives its header as columns and each row as strings with the line it is on', async () => {
    assert.deepEqual(await readCsv('id,name\n1,Ann\n2, Bob \n'), {
      columns: ['id', 'name'],
      rows: [
        { line: 2, row: { id: '1', name: 'Ann' } },
        { line: 3, row: { id: '2', name: ' Bob ' } },
      ],
    });
  });

  test('knows its columns from the first row on', async () => {
    const input = readRows(file('in.csv', 'id,name\n1,Ann\n'));
    assert.deepEqual(input.columns(), []);
    for await (const _ of input.rows) assert.deepEqual(input.columns(), ['id', 'name']);
  });

  test('may have commas, quotes and both kinds of newline in quoted cells', async () => {
    assert.deepEqual(await cells('a,b\n"x,y","say ""hi"""\n"1\n2","3\r\n4"\n"",""""\n'), [
      [2, 'x,y', 'say "hi"'],
      [3, '1\n2', '3\r\n4'],
      [6, '', '"'],
    ]);
  });

  test('may end its lines with LF, CRLF or both, the last one with neither', async () => {
    assert.deepEqual(await cells('a,b\r\n1,2\n3,4\r\n"5","6"\r\n7,"8"'), [
      [2, '1', '2'],
      [3, '3', '4'],
      [4, '5', '6'],
      [5, '7', '8'],
    ]);
    assert.deepEqual(await cells('a,b\n1,'), [[2, '1', '']]);
  });

  test('may start with a byte order mark, which is no part of the first column', async () => {
    assert.deepEqual((await readCsv('\ufeffid\n1\n')).columns, ['id']);
    assert.deepEqual((await readCsv('\ufeff"id"\n1\n')).columns, ['id']);
  });

  test('counts physical lines past blank rows and rows of several lines', async () => {
    const content = '\n\r\n"a\nb",c\n\n1,2\n , \n""," "\n\n"x\r\ny\n\nz","\n"\r\n\r\n3,4\n\n';
    assert.deepEqual(await cells(content), [
      [6, '1', '2'],
      [10, 'x\r\ny\n\nz', '\n'],
      [16, '3', '4'],
    ]);
  });

  test('of one column skips its blank rows too', async () => {
    assert.deepEqual(await cells('a\n\n1\n  \n""\n2\n'), [
      [3, '1'],
      [6, '2'],
    ]);
  });

  test('skips a blank row whatever its number of fields', async () => {
    assert.deepEqual(await cells('a,b\n,,,\n1,2\n'), [[3, '1', '2']]);
  });

  test('keeps NUL bytes, bare carriage returns and U+2028 in cells', async () => {
    assert.deepEqual(await cells('a,b\nx\0y,p\rq\n"\0","\u2028"\n'), [
      [2, 'x\0y', 'p\rq'],
      [3, '\0', '\u2028'],
    ]);
  });

  test('may have columns named like object internals', async () => {
    const { rows } = await readCsv('__proto__,constructor\nx,y\n');
    const row = rows[0]?.row ?? {};
    assert.deepEqual(Object.entries(row), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    assert.equal(Object.getPrototypeOf(row), Object.prototype);
  });

  test('keeps characters whole that lie across the chunks in which it is read', async () => {
    const chunk = 64 * 1024;
    for (const character of ['é', '€', '😀', '\r\n', '""']) {
      for (let cut = 1; cut < Buffer.byteLength(character); cut += 1) {
        const start = 'a,b\n"';
        const fill = 'x'.repeat(chunk - cut - start.length);
        const cell = character === '""' ? '"' : character;
        assert.deepEqual(await cells(`${start}${fill}${character}y",z\n1,2\n`), [
          [2, `${fill}${cell}y`, 'z'],
          [character === '\r\n' ? 4 : 3, '1', '2'],
        ]);
      }
    }
  });

  test('may have a row over many chunks', async () => {
    const cell = 'line é,"\r\n'.repeat(100_000);
    const quoted = `"${cell.replaceAll('"', '""')}"`;
    assert.deepEqual(await cells(`a,b\n${quoted},1\n2,${quoted}\n3,4`), [
      [2, cell, '1'],
      [100_003, '2', cell],
      [200_004, '3', '4'],
    ]);
  });

  test('may have many more rows than fit in a chunk', async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `${index},value ${index}`);
    const read = await cells(`id,value\n${lines.join('\r\n')}\r\n`);
    assert.equal(read.length, 50_000);
    read.forEach((row, index) => {
      assert.deepEqual(row, [index + 2, String(index), `value ${index}`]);
    });
  });

  test('can be left after a few rows', async () => {
    const input = readRows(file('in.csv', `a\n${'1\n'.repeat(100_000)}`));
    for await (const { row } of input.rows) {
      assert.deepEqual(row, { a: '1' });
      break;
    }
  });

  test('without rows is refused', async () => {
    await refused('a.csv', '', undefined, /^is empty\. Give a file/);
    await refused('a.csv', '\ufeff', undefined, /^is empty/);
    await refused('a.csv', '\n\r\n \n', undefined, /^is empty/);
    await refused('a.csv', 'a,b', undefined, /^has no rows below its header\. Add/);
    await refused('a.csv', 'a,b\n\n,\n', undefined, /^has no rows/);
    await refused('a.csv', 'a,b\r1,2\r', undefined, /^has no rows: .* bare carriage return/);
  });

  test('with a nameless or repeated column is refused', async () => {
    await refused('a.csv', '\na, ,c\n1,2,3\n', 2, /^column 2 of the header has no name/);
    await refused('a.csv', ',\n1,2\n', 1, /^column 1 of the header has no name/);
    const error = await refused('a.csv', 'a,b,a\n1,2,3\n', 1, /more than one column "a"\. Rename/);
    assert.equal(error.column, 'a');
    await refused('a.csv', '__proto__,__proto__\n1,2\n', 1, /more than one column "__proto__"/);
  });

  test('with too few or too many fields in a row is refused', async () => {
    const few = /^the row has 1 field, the header has 3\. Look for/;
    await refused('a.csv', 'a,b,c\n1,2,3\n\n"x\ny"\n1,2,3\n', 4, few);
    await refused('a.csv', 'a,b\n1,2\n1,2,\n', 3, /^the row has 3 fields, the header has 2\./);
  });

  test('with broken quotes is refused at the line where the row starts', async () => {
    const rows = 'id,body\n1,"two\r\nlines"\n\n';
    const open = await refused('a.csv', `${rows}2,"x\ny\n3,z\n`, 5, /opens the cell of .* "body"/);
    assert.equal(open.column, 'body');
    const after = await refused('a.csv', `${rows}2,"x\ny" z\n`, 5, /^a quote in the cell .*"body"/);
    assert.equal(after.column, 'body');
    const inside = await refused('a.csv', `${rows}2,x "y"\n`, 5, /"body" does not start with a q/);
    assert.equal(inside.column, 'body');
    await refused('a.csv', '\nid,bo"dy\n', 2, /^cell 2 does not start with a quote/);
  });

  test('is refused at its first fault, even where a later one is in the same chunk', async () => {
    await refused('a.csv', 'a,b\n1,2\n1\n"x', 3, /^the row has 1 field/);
  });

  test('with a quote open over more than 16 MiB is refused', async () => {
    const content = `a\n1\n"${'x\n'.repeat(9 * 1024 * 1024)}`;
    await refused('a.csv', content, 3, /^the row is longer than 16 MiB\. Look for a quote/);
  });
});

describe('a JSON Lines file', () => {
  test('gives the values as they are and all keys in order of first use', async () => {
    const content =
      '{"id":1,"tags":["a"]}\n{"name":"Ann","id":null}\r\n{"x":{"y":true},"z":"\u2028"}';
    assert.deepEqual(await readJsonl(content), {
      columns: ['id', 'tags', 'name', 'x', 'z'],
      rows: [
        { line: 1, row: { id: 1, tags: ['a'] } },
        { line: 2, row: { name: 'Ann', id: null } },
        { line: 3, row: { x: { y: true }, z: '\u2028' } },
      ],
    });
  });

  test('is known by its extension in any case', async () => {
    for (const name of ['a.jsonl', 'a.JSONL', 'a.ndjson', 'a.NdJson']) {
      assert.deepEqual((await read(file(name, '{"a":1}\n'))).columns, ['a']);
    }
    assert.deepEqual((await read(file('a.json', 'a\n1\n'))).columns, ['a']);
  });

  test('may start with a byte order mark and have blank lines', async () => {
    const { rows } = await readJsonl('\ufeff\n{"a":1}\n \r\n\n{"a":""}\n\n');
    assert.deepEqual(rows, [
      { line: 2, row: { a: 1 } },
      { line: 5, row: { a: '' } },
    ]);
  });

  test('may have a key __proto__', async () => {
    const { columns, rows } = await readJsonl('{"__proto__":{"x":1}}\n');
    assert.deepEqual(columns, ['__proto__']);
    assert.deepEqual(Object.entries(rows[0]?.row ?? {}), [['__proto__', { x: 1 }]]);
    assert.equal(Object.getPrototypeOf(rows[0]?.row), Object.prototype);
  });

  test('may have a line over many chunks and characters across them', async () => {
    const value = '😀é€'.repeat(100_000);
    const line = `${JSON.stringify({ value })}\n`;
    assert.deepEqual((await readJsonl(`{"value":1}\n${line}${line}`)).rows, [
      { line: 1, row: { value: 1 } },
      { line: 2, row: { value } },
      { line: 3, row: { value } },
    ]);
  });

  test('without rows is refused', async () => {
    await refused('a.jsonl', '', undefined, /^is empty\. Give a file/);
    await refused('a.jsonl', '\n \n', undefined, /^is empty/);
  });

  test('with a line that is no JSON object is refused', async () => {
    await refused('a.jsonl', '{"a":1}\n\n{"a":\n1}\n', 3, /^the line is not JSON: .*\. Write one/);
    await refused('a.jsonl', '{"a":1}\r{"a":2}\n', 1, /^the line is not JSON/);
    await refused('a.jsonl', '{"a":1}\n[1]\n', 2, /^the line is an array, not an object\. Write/);
    await refused('a.jsonl', 'null\n', 1, /^the line is null, not an object/);
    await refused('a.jsonl', '"x"', 1, /^the line is a string, not an object/);
  });

  test('with a key without a name is refused', async () => {
    await refused('a.jsonl', '{"a":1}\n{"":1}\n', 2, /^the object has a key without a name/);
  });

  test('with a line of more than 16 MiB is refused', async () => {
    const content = `{"a":1}\n{"a":"${'x'.repeat(17 * 1024 * 1024)}`;
    await refused('a.jsonl', content, 2, /^the line is longer than 16 MiB/);
  });
});

describe('any input file', () => {
  test('with a byte that is not UTF-8 is refused at the line of the byte', async () => {
    const text = /^has a byte that is not UTF-8\. Save the file as UTF-8\.$/;
    await refused('a.csv', bytes('a\n1\n', [0xe9], '\n2\n'), 3, text);
    await refused('a.csv', bytes('a\n"1\n2\n', [0xff], '"\n'), 4, text);
    await refused('a.csv', bytes('a\n1\n', [0xe2, 0x82], '\n2\n'), 3, text);
    await refused('a.csv', bytes('a\n1\n', [0xe2, 0x82]), 3, text);
    await refused('a.csv', bytes('a\n1\n2\n', [0xed, 0xa0, 0x80], '\n'), 4, text);
    await refused('a.jsonl', bytes('{"a":1}\r\n{"a":"', [0x80], '"}\n'), 2, text);
  });

  test('with such a byte in or across later chunks is refused at the right line too', async () => {
    const chunk = 64 * 1024;
    const lines = 'é\n'.repeat(chunk);
    const text = /^has a byte that is not UTF-8/;
    await refused('a.csv', bytes(lines, 'x\n', [0xff], '\n'), chunk + 2, text);
    for (const begun of [[0xe2], [0xe2, 0x82], [0xf0, 0x9f, 0x98]]) {
      const head = 'a\né\n';
      const fill = 'x'.repeat(chunk - begun.length - Buffer.byteLength(head));
      await refused('a.csv', bytes(head, fill, begun, '\n2\n'), 3, text);
      await refused('a.csv', bytes(head, fill, begun), 3, text);
      await refused('a.csv', bytes(head, fill, begun, [0xff]), 3, text);
    }
    const head = `a\n${'x'.repeat(chunk - 4)}`;
    await refused('a.csv', bytes(head, '😀\n\n', [0xff]), 4, text);
  });

  test('in UTF-16 is refused by that name', async () => {
    const text = /^is UTF-16, save it as UTF-8\.$/;
    const utf16 = Buffer.from('\ufeffa,b\n1,2\n', 'utf16le');
    await refused('a.csv', utf16, 1, text);
    await refused('a.jsonl', utf16, 1, text);
    await refused('a.csv', Buffer.from(utf16).swap16(), 1, text);
  });

  test('that is not there, a folder or not readable is refused', async () => {
    const missing = join(folder, 'missing.csv');
    await assert.rejects(read(missing), {
      name: 'InputError',
      path: missing,
      message: `${missing}: there is no such file. Check the path.`,
    });
    await assert.rejects(read(folder), {
      name: 'InputError',
      message: `${folder}: is a directory. Give the path of a CSV or JSON Lines file.`,
    });
    await assert.rejects(read(join(file('a.csv', 'a\n1\n'), 'b.csv')), {
      name: 'InputError',
      message: /cannot be read: ENOTDIR/,
    });
    await assert.rejects(read('a\0b.csv'), { name: 'InputError', message: /cannot be read: / });
  });

  test('is named in errors as it was given', async () => {
    await assert.rejects(read('./no/such.csv'), {
      message: /^\.\/no\/such\.csv: there is no such/,
    });
  });
});
