import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { ItemIds } from '../src/input/item-ids.js';

function idsOf(sources: unknown[]): string[] {
  const ids = new ItemIds();
  return sources.map((source, index) => ids.next(index, source).item_id);
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

describe('an item ID', () => {
  test('is the text of the ID column, whatever it holds', () => {
    const texts = [
      'T-1',
      'a b',
      ' padded ',
      '../x',
      'a/b?c#d',
      '日本',
      '😀',
      'x\ty\n',
      '__proto__',
    ];
    assert.deepEqual(idsOf(texts), texts);
  });

  test('is the text of any JSON value', () => {
    const sources = [7, -0.5, true, false, { a: [1] }, ['x'], 0];
    const ids = ['7', '-0.5', 'true', 'false', '{"a":[1]}', '["x"]', '0'];
    assert.deepEqual(idsOf(sources), ids);
  });

  test('is row-N, counted from 1, where the row has none', () => {
    const ids = ['row-1', 'row-2', 'row-3', 'row-4', 'row-5', 'x'];
    assert.deepEqual(idsOf([undefined, null, '', ' \t\n', '\u00a0', 'x']), ids);
  });

  test('comes with the text as it is in the row', () => {
    const ids = new ItemIds();
    assert.deepEqual(ids.next(0, ' a '), { item_id: ' a ', source_id: ' a ' });
    assert.deepEqual(ids.next(1, ' a '), { item_id: ' a -2', source_id: ' a ' });
    assert.deepEqual(ids.next(2, 7), { item_id: '7', source_id: '7' });
    assert.deepEqual(ids.next(3, undefined), { item_id: 'row-4', source_id: '' });
    assert.deepEqual(ids.next(4, null), { item_id: 'row-5', source_id: '' });
    assert.deepEqual(ids.next(5, '  '), { item_id: 'row-6', source_id: '  ' });
    const long = 'x'.repeat(500);
    assert.deepEqual(ids.next(6, long), { item_id: `row-7~${hash(long)}`, source_id: long });
  });

  test('is well-formed text', () => {
    assert.deepEqual(idsOf(['a\ud800b', '\udc00', 'a\ufffdb']), [
      'a\ufffdb',
      '\ufffd',
      'a\ufffdb-2',
    ]);
  });

  test('is row number and hash where its encoded form is longer than 200 bytes', () => {
    const fits = 'x'.repeat(200);
    const long = 'x'.repeat(201);
    const fitsEncoded = `${'é'.repeat(33)}xx`;
    const longEncoded = `${'é'.repeat(33)}xxx`;
    assert.deepEqual(idsOf([fits, long, fitsEncoded, longEncoded, long]), [
      fits,
      `row-2~${hash(long)}`,
      fitsEncoded,
      `row-4~${hash(longEncoded)}`,
      `row-5~${hash(long)}`,
    ]);
  });

  test('is row number and hash where it holds a NUL, which no process can be passed', () => {
    assert.deepEqual(idsOf(['x\0y']), [`row-1~${hash('x\0y')}`]);
  });

  test('that an earlier row has gets the first suffix that no ID has', () => {
    assert.deepEqual(idsOf(['a', 'a', 'a-2']), ['a', 'a-2', 'a-2-2']);
    assert.deepEqual(idsOf(['a-2', 'a', 'a', 'a']), ['a-2', 'a', 'a-3', 'a-4']);
    assert.deepEqual(idsOf(['a', 'a-3', 'a', 'a', 'a']), ['a', 'a-3', 'a-2', 'a-4', 'a-5']);
    assert.deepEqual(idsOf(['row-2', '', 'row-2']), ['row-2', 'row-2-2', 'row-2-3']);
    assert.deepEqual(idsOf([1, '1', true, 'true']), ['1', '1-2', 'true', 'true-2']);
  });

  test('is unique in any mixture', () => {
    const words = ['a', 'a-2', 'a-2-2', 'a-3', '', 'row-1', 'row-7', 'a-2-3', '-2'];
    const sources = Array.from({ length: 5000 }, (_, index) => words[((index * index) % 31) % 9]);
    assert.equal(new Set(idsOf(sources)).size, sources.length);
  });

  test('takes no longer to find among 100,000 equal ones', { timeout: 10_000 }, () => {
    const ids = idsOf(Array.from({ length: 100_000 }, () => 'same'));
    assert.equal(ids.at(-1), 'same-100000');
    assert.equal(new Set(ids).size, 100_000);
  });
});
