/**
 * The formats that the validator checks, and among them patterns: it has no other place for checks of
 * our own, and would run a `pattern` as a regular expression of JavaScript, whose time may be
 * exponential in the text. RE2's is linear.
 */
import { format } from '@cfworker/json-schema';
import { RE2JS } from 're2js';
import { charge } from './schema-budget.js';

/** Formats of JSON Schema that are checked, all in linear time. Any other only describes. */
export const CHECKED_FORMATS: ReadonlySet<string> = new Set(
  (
    'date time date-time duration uri uri-reference uri-template email hostname ipv4 ipv6 regex uuid ' +
    'json-pointer json-pointer-uri-fragment relative-json-pointer'
  ).split(' '),
);

/** A format of this name is a pattern. */
export const PATTERN_FORMAT = 'pattern ';

/** Steps of a pattern's program that cost what a step of the validator does. */
const PROGRAM_STEPS = 500;
const MAX_KEPT = 1000;
const kept = new Map<string, RE2JS>();

/** @throws where RE2 does not take the pattern. */
export function compilePattern(pattern: string): RE2JS {
  let compiled = kept.get(pattern);
  if (compiled === undefined) {
    compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(pattern, compiled);
  }
  return compiled;
}

/** Says why {@link compilePattern} did not take a pattern. */
export function notLinear(pattern: string, { message }: Error): string {
  return (
    `${JSON.stringify(pattern)} is not a pattern that can be matched in linear time ` +
    `(RE2 syntax: no look-around, no back-references): ${message}`
  );
}

// The table itself cannot be added to: in the workflow sandbox it is shared, and frozen. What stands
// behind it is asked for the names that it does not have.
Object.setPrototypeOf(
  format,
  new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name !== 'string' || !name.startsWith(PATTERN_FORMAT)) return undefined;
        const pattern = name.slice(PATTERN_FORMAT.length);
        return (value: string) => {
          const compiled = compilePattern(pattern);
          charge((compiled.programSize() * value.length) / PROGRAM_STEPS);
          return compiled.matcher(value).find();
        };
      },
    },
  ),
);
