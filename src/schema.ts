/**
 * Checks results against a job's output schema: the same rules at the report endpoint and in the
 * item's workflow, so that what the one accepts the other accepts too.
 *
 * The validator is interpreting: workflow code may not compile code at run time. A schema is written by
 * a user and a result by an agent, and no pair of them may hold up a workflow: patterns take linear
 * time, and every check has a budget.
 */
import { type OutputUnit, type Schema, dereference, validate } from '@cfworker/json-schema';
import type { Json, ReportError } from './job.js';
import { TooMuchWork, metered, startBudget, uniqueItemsMeter } from './schema-budget.js';
import { CHECKED_FORMATS, PATTERN_FORMAT, compilePattern, notLinear } from './schema-formats.js';
import { HOLDERS, constrains, isObject, valueProblem } from './schema-keywords.js';

/** A schema cannot be used. The message begins with the place in the schema: `.properties.a: …`. */
export class SchemaError extends Error {
  override name = 'SchemaError';
}

/** Checks one result: an empty list where it is valid. */
export type ResultCheck = (result: Json) => ReportError[];

/** Errors told to an agent at once: enough to repair a result, short enough to read. */
const MAX_ERRORS = 10;
const MAX_DEPTH = 100;
/** A result of 1 MiB that is a list of digits has half a million values. */
const MAX_STEPS = 1_100_000;
const MAX_STEPS_FOR_ALL_ERRORS = 50_000;
const HALF_NAME = 'a property name that is not Unicode: half of a surrogate pair';

/** @throws {SchemaError} where the schema is refused. */
export function compileSchema(schema: { [key: string]: Json } | boolean): ResultCheck {
  const prepared = prepare(schema, '', 0) as Schema | boolean;
  const known = resolve(prepared);
  const check = (result: Json, stopAtFirst: boolean, steps: number): OutputUnit[] | undefined => {
    startBudget(steps);
    try {
      return validate(result, prepared, '2020-12', known, stopAtFirst).errors;
    } catch (error) {
      // A RangeError: the stack is no deeper, or more errors than a call has room for.
      if (error instanceof TooMuchWork || error instanceof RangeError) return undefined;
      throw error;
    }
  };
  const checked: ResultCheck = (result) => {
    // Stopping at the first error of a schema takes less time, and comes to the same verdict.
    const first = check(result, true, MAX_STEPS);
    if (first === undefined) {
      const message = 'the result is too large, or nested too deeply, to be checked by the schema';
      return [{ path: '', message }];
    }
    if (first.length === 0) return [];
    const errors = check(result, false, MAX_STEPS_FOR_ALL_ERRORS) ?? first;
    return leaves(errors).slice(0, MAX_ERRORS).map(toReportError);
  };
  return (result) => {
    try {
      return checked(result);
    } catch (error) {
      // The validator keeps places as URI fragments.
      if (!(error instanceof URIError)) throw error;
      return [{ path: '', message: `the result has ${HALF_NAME}` }];
    }
  };
}

/**
 * Checks that the schema is one, and copies what in it constrains results: each `pattern` as a format,
 * and every schema with a meter.
 */
function prepare(schema: Json | undefined, at: string, depth: number): Json {
  if (typeof schema === 'boolean') return schema;
  if (!isObject(schema)) throw new SchemaError(`${at}: must be a schema: an object, true or false`);
  if (depth > MAX_DEPTH) throw new SchemaError(`: is nested deeper than ${MAX_DEPTH} levels`);
  const copy: { [keyword: string]: Json } = {};
  const also: Json[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    const place = `${at}.${keyword}`;
    const inner = (each: Json, name: string | number) =>
      prepare(each, `${place}.${name}`, depth + 1);
    const holds = HOLDERS.get(keyword);
    const problem = valueProblem(keyword, value);
    if (problem !== undefined) throw new SchemaError(`${place}: ${problem}`);
    if (holds === 'schemas') {
      if (!Array.isArray(value) || value.length === 0) {
        throw new SchemaError(`${place}: must be a list of schemas`);
      }
      copy[keyword] = value.map(inner);
    } else if (holds === 'named schemas') {
      if (!isObject(value)) throw new SchemaError(`${place}: must be an object of schemas`);
      copy[keyword] = Object.fromEntries(
        Object.entries(value).map(([name, each]) => [name, inner(each, name)]),
      );
    } else if (holds === 'a schema') {
      if (Array.isArray(value)) {
        throw new SchemaError(`${place}: must be one schema; for a list of them use "prefixItems"`);
      }
      copy[keyword] = prepare(value, place, depth + 1);
    } else if (keyword === 'pattern') {
      also.push(metered({ format: patternFormat(value as string, place) }));
    } else if (keyword === 'format') {
      if (CHECKED_FORMATS.has(value as string)) copy[keyword] = value;
    } else if (constrains(keyword)) {
      copy[keyword] = value;
      if (keyword === 'uniqueItems') also.push(uniqueItemsMeter() as Json);
    }
  }
  // Last, so that references to what the user has there still fit.
  if (also.length > 0) copy['allOf'] = [...((copy['allOf'] as Json[] | undefined) ?? []), ...also];
  return metered(copy);
}

function patternFormat(pattern: string, at: string): string {
  try {
    compilePattern(pattern);
  } catch (error) {
    throw new SchemaError(`${at}: ${notLinear(pattern, error as Error)}`);
  }
  return PATTERN_FORMAT + pattern;
}

/**
 * Finds the schemas by their addresses. Every `$ref` must point into the schema itself, since nothing is
 * fetched, and no schema may apply itself to the same value, which would never end.
 */
function resolve(schema: Schema | boolean): Record<string, Schema | boolean> {
  let known: Record<string, Schema | boolean>;
  try {
    known = dereference(schema as Schema);
  } catch (error) {
    const what = error instanceof URIError ? `has ${HALF_NAME}` : (error as Error).message;
    throw new SchemaError(`: ${what}`);
  }
  const done = new Set<Schema | boolean>();
  const visit = (place: Schema | boolean | undefined, above: Schema[]): void => {
    if (typeof place !== 'object' || done.has(place)) return;
    if (above.includes(place)) {
      const name = JSON.stringify(above.find(({ $ref }) => $ref !== undefined)?.$ref);
      throw new SchemaError(`: the reference ${name} leads back to itself`);
    }
    const within = [...above, place];
    const target = place.__absolute_ref__ as string | undefined;
    if (target !== undefined) {
      if (known[target] === undefined) {
        throw new SchemaError(`: the reference ${JSON.stringify(place.$ref)} is not in the schema`);
      }
      visit(known[target], within);
    }
    const { allOf = [], anyOf = [], oneOf = [], not, if: condition, then, else: otherwise } = place;
    const dependent = Object.values(place['dependentSchemas'] ?? {}) as Schema[];
    for (const each of [...allOf, ...anyOf, ...oneOf, not, condition, then, otherwise]) {
      visit(each, within);
    }
    for (const each of dependent) visit(each, within);
    done.add(place);
  };
  for (const place of Object.values(known)) visit(place, []);
  return known;
}

/** The validator lists an error again for every schema around it; the innermost ones tell most. */
function leaves(errors: OutputUnit[]): OutputUnit[] {
  let ambiguous: OutputUnit | undefined;
  return errors.filter((error, index) => {
    if (ambiguous !== undefined && isWithin(error, ambiguous)) return false;
    const next = errors[index + 1];
    if (error.keyword === 'oneOf' && !error.error.includes('(0 matches)')) {
      // More than one alternative fits: what is wrong with the others does not matter.
      ambiguous = error;
      return true;
    }
    if (next === undefined) return true;
    // What an error consists of comes right after it.
    const consists = error.keyword === 'if' || next.keyword === 'false' || isWithin(next, error);
    return !consists;
  });
}

function isWithin(inner: OutputUnit, outer: OutputUnit): boolean {
  return (
    inner.keywordLocation.startsWith(`${outer.keywordLocation}/`) &&
    inner.instanceLocation.startsWith(outer.instanceLocation)
  );
}

function toReportError({ instanceLocation, error, keyword }: OutputUnit): ReportError {
  const path = instanceLocation.replace(/^#/, '');
  if (keyword === 'false') return { path, message: 'The schema allows nothing here.' };
  const pattern = keyword === 'format' && error.includes(PATTERN_FORMAT);
  return {
    path,
    message: pattern ? error.replace(`format "${PATTERN_FORMAT}`, 'pattern "') : error,
  };
}
