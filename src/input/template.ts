/** An instruction or another text, ready to be filled in: literal text and the columns between. */
export interface Template {
  readonly parts: readonly (string | { readonly column: string })[];
}

/** A template has a placeholder that is no column. `line` and `column` count from 1. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly placeholder: string;
  readonly line: number;
  readonly column: number;

  constructor(
    field: string,
    placeholder: string,
    problem: string,
    { line, column }: { line: number; column: number },
  ) {
    super(`${field}:${line}:${column}: ${problem}`);
    this.placeholder = placeholder;
    this.line = line;
    this.column = column;
  }
}

const MAX_NAMES_LISTED = 20;
const MAX_NAME_SHOWN = 80;

/**
 * Reads an instruction. At each brace, the first of these rules that fits:
 *
 * 1. `{` + exactly the name of a column + `}` is that column, whatever its name looks like.
 * 2. `{{` is a literal `{`, and opens a pair.
 * 3. `{name}` where the name looks like one (a letter or `_`, then letters, digits, `_`, `.`, `-`
 *    and spaces) is refused: it is no column. So is a column's name with spaces before or after
 *    it. With other spaces before it, as in `import { x } from`, it is text.
 * 4. Any other `{` is itself, as in JSON, and opens.
 * 5. A `}` closes the brace that was opened last and is still open. If that was a `{`, it is
 *    itself. If that was a `{{`, or none is open, `}}` is a literal `}`, and a `}` alone is itself.
 *
 * So JSON keeps its braces however deep (`{"a":{"b":1}}`, `{"a":{"id":{id}}}`), whether its
 * outermost brace is doubled or not (`{{"a":{"b":1}}}`), and `{{name}}` is the text `{name}`.
 *
 * Throws `TemplateError`.
 * @param field what the text is called in errors.
 */
export function parseTemplate(
  text: string,
  columns: readonly string[],
  field = 'instruction',
): Template {
  const parts: (string | { column: string })[] = [];
  const open: ('{' | '{{')[] = [];
  const columnAt = columnFinder(text, columns);
  let literal = '';
  let start = 0;
  const brace = /[{}]/g;
  for (let match = brace.exec(text); match !== null; match = brace.exec(text)) {
    const at = match.index;
    const doubled = text[at + 1] === text[at];
    literal += text.slice(start, at);
    start = at + 1;
    if (text[at] === '{') {
      const column = columnAt(at);
      if (column !== undefined) {
        parts.push(literal, { column });
        literal = '';
        start = at + column.length + 2;
      } else {
        if (doubled) start += 1;
        else refuseName(text, at, columns, field);
        open.push(doubled ? '{{' : '{');
        literal += '{';
      }
    } else {
      if (open.at(-1) === '{') {
        open.pop();
      } else if (doubled) {
        open.pop();
        start += 1;
      }
      literal += '}';
    }
    brace.lastIndex = start;
  }
  parts.push(literal + text.slice(start));
  return { parts: parts.filter((part) => part !== '') };
}

/** A text as a template that gives it back. */
export function literally(text: string): string {
  return text.replaceAll('{', '{{').replaceAll('}', '}}');
}

/**
 * The instruction with the row's values: a string as it is, nothing for null or a column that the
 * row does not have, any other value as JSON. Braces in a value mean nothing.
 */
export function renderTemplate(template: Template, row: Readonly<Record<string, unknown>>): string {
  return template.parts
    .map((part) => {
      if (typeof part === 'string') return part;
      return Object.hasOwn(row, part.column) ? valueText(row[part.column]) : '';
    })
    .join('');
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Finds the column whose name stands between the `{` at a place and a `}`. Places must ascend. */
function columnFinder(
  text: string,
  columns: readonly string[],
): (at: number) => string | undefined {
  const known = new Set(columns);
  const longest = columns.reduce((length, name) => Math.max(length, name.length), 0);
  const withBrace = columns.filter((name) => name.includes('}'));
  withBrace.sort((a, b) => b.length - a.length);
  let end = -1;
  return (at) => {
    const name = withBrace.find(
      (name) => text.startsWith(name, at + 1) && text[at + 1 + name.length] === '}',
    );
    if (name !== undefined) return name;
    // Looking for the next `}` from every `{` anew would be quadratic in a text of many `{`.
    if (end < at) {
      const found = text.indexOf('}', at);
      end = found === -1 ? text.length : found;
    }
    if (end === text.length || end - at - 1 > longest) return undefined;
    const inner = text.slice(at + 1, end);
    return known.has(inner) ? inner : undefined;
  };
}

function refuseName(text: string, at: number, columns: readonly string[], field: string): void {
  const pattern = /\{( *[\p{L}_][\p{L}\p{M}\p{N}_ .-]*)\}/uy;
  pattern.lastIndex = at;
  const name = pattern.exec(text)?.[1];
  if (name === undefined) return;
  const known = columns.includes(name.trim());
  if (name.startsWith(' ') && !known) return;
  const shown = shorten(name);
  const problem = known
    ? `{${shown}} has spaces that the column's name has not. Write {${shorten(name.trim())}}`
    : `{${shown}} is no column of the input, which has ${listNames(columns)}. Write one of these`;
  const before = text.slice(0, at).split('\n');
  throw new TemplateError(
    field,
    name,
    `${problem}, or {{${shown}}} for the text with its braces.`,
    { line: before.length, column: Array.from(before.at(-1) ?? '').length + 1 },
  );
}

function listNames(columns: readonly string[]): string {
  const listed = columns.slice(0, MAX_NAMES_LISTED).map((name) => `{${shorten(name)}}`);
  const more = columns.length - listed.length;
  return listed.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function shorten(name: string): string {
  return name.length > MAX_NAME_SHOWN ? `${name.slice(0, MAX_NAME_SHOWN)}…` : name;
}
