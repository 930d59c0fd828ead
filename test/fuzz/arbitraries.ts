/** What hostile input is made of. */
import fc from 'fast-check';

/** Pieces that have a meaning somewhere: in CSV, JSON, templates, shells, URLs, JavaScript, terminals. */
const PIECES = [
  ...[
    ',',
    '"',
    '""',
    '\n',
    '\r',
    '\r\n',
    ';',
    '\t',
    ' ',
    '\\',
    "'",
    '`',
    '$(',
    ')',
    '|',
    '&',
    '<',
    '>',
  ],
  ...[
    '{',
    '}',
    '{{',
    '}}',
    '{a}',
    '{ a }',
    '{__proto__}',
    '[',
    ']',
    ':',
    '#',
    '%00',
    '%2e',
    '../',
    '/',
    '..',
    '.',
  ],
  ...[
    '\0',
    '\u001b[',
    '\ufeff',
    '\u2028',
    '\u0085',
    '\u202e',
    '\ud800',
    '\udc00',
    '😀',
    'é',
    'ﬁ',
    '\uffff',
  ],
  ...[
    'a',
    'b',
    'id',
    'row-1',
    '-2',
    '1',
    '1e999',
    'null',
    'true',
    '__proto__',
    'constructor',
    'toString',
  ],
];

export const nasty = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...PIECES) },
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    {
      maxLength: 10,
    },
  )
  .map((pieces) => pieces.join(''));

/** The bytes of a file: text, sometimes broken. */
export const nastyBytes = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(nasty, { maxLength: 12 }).map((parts) => Buffer.from(parts.join('\n'))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
);

/** Any JSON value, with keys that mean something in JavaScript. */
export const json = fc
  .json({ stringUnit: 'binary', maxDepth: 3 })
  .map((text) => JSON.parse(text) as unknown);
const key = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'result', 'a', 'id', ''), nasty);
export const anyJson = fc.oneof(
  json,
  nasty,
  fc
    .array(fc.tuple(key, json), { maxLength: 6 })
    .map((entries) => Object.fromEntries(entries) as unknown),
);

/** What no JSON is, too. */
export const anything = fc.oneof(
  anyJson,
  fc.anything({
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withTypedArray: true,
    withBigInt: true,
  }),
);

/** The same bytes in chunks, as they may be read. */
export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
