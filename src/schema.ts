/**
 * Checks results against a job's output schema: the same rules at the report endpoint and in the
 * item's workflow, so that what the one accepts the other accepts too.
 *
 * The validator is interpreting (workflow code may not compile code at run time). Its patterns are
 * run by RE2, whose matching time is linear in the text: a pattern written by a user, matched
 * against a text written by an agent, must not be able to hold up a workflow.
 */
import {
  type OutputUnit,
  type Schema,
  Validator,
  dereference,
  format,
} from '@cfworker/json-schema';
import { RE2JS } from 're2js';
import type { Json, ReportError } from './job.js';

/** A schema cannot be used. The message begins with the place in the schema: `.properties.a: …`. */
export class SchemaError extends Error {
  override name = 'SchemaError';
}

/** Checks one result: an empty list where it is valid. */
export type ResultCheck = (result: Json) => ReportError[];

/** Errors told to an agent at once: enough to repair a result, short enough to read. */
const MAX_ERRORS = 10;

/** @throws {SchemaError} where the schema is refused. */
export function compileSchema(schema: { [key: string]: Json } | boolean): ResultCheck {
  const prepared = prepare(schema, '') as Schema | boolean;
  if (typeof prepared === 'object') checkReferences(prepared);
  const validator = new Validator(prepared as Schema, '2020-12', false);
  return (result) => {
    const { valid, errors } = validator.validate(result);
    return valid ? [] : leaves(errors).slice(0, MAX_ERRORS).map(toReportError);
  };
}

/** Keywords whose value is data: what looks like a keyword in there is none. */
const DATA_KEYWORDS = new Set(['const', 'enum', 'default', 'examples']);
/** Keywords whose value maps names to schemas: the names are not keywords. */
const MAP_KEYWORDS = new Set(['properties', '$defs', 'definitions', 'dependentSchemas']);

/** Copies the schema with each `pattern` turned into a format that RE2 checks. */
function prepare(schema: Json, at: string): Json {
  if (Array.isArray(schema)) return schema.map((each, index) => prepare(each, `${at}.${index}`));
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy: [string, Json][] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    const place = `${at}.${keyword}`;
    if (keyword === 'type') checkTypes(value, place);
    if (keyword === 'pattern') {
      copy.push([
        'allOf',
        [...listOf(schema['allOf'], at), { format: patternFormat(value, place) }],
      ]);
    } else if (keyword === 'allOf' && Object.hasOwn(schema, 'pattern')) {
      continue;
    } else if (keyword === 'patternProperties') {
      throw new SchemaError(
        `${place}: is not supported; use "propertyNames" with a "pattern" and "additionalProperties"`,
      );
    } else if (DATA_KEYWORDS.has(keyword)) {
      copy.push([keyword, value]);
    } else if (MAP_KEYWORDS.has(keyword) && typeof value === 'object' && value !== null) {
      copy.push([
        keyword,
        Object.fromEntries(
          Object.entries(value).map(([name, each]) => [name, prepare(each, `${place}.${name}`)]),
        ),
      ]);
    } else {
      copy.push([keyword, prepare(value, place)]);
    }
  }
  return Object.fromEntries(copy);
}

const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'];

/** The validator takes a misspelt type for one that no result has. */
function checkTypes(type: Json, at: string): void {
  for (const name of Array.isArray(type) ? type : [type]) {
    if (typeof name === 'string' && TYPES.includes(name)) continue;
    throw new SchemaError(`${at}: ${JSON.stringify(name)} is none of ${TYPES.join(', ')}`);
  }
}

function listOf(allOf: Json | undefined, at: string): Json[] {
  if (allOf === undefined) return [];
  const prepared = prepare(allOf, `${at}.allOf`);
  if (!Array.isArray(prepared)) throw new SchemaError(`${at}.allOf: must be a list of schemas`);
  return prepared;
}

const PATTERN_FORMAT = 'pattern ';

/** Registers the pattern as a format of the validator, which has no other place for own checks. */
function patternFormat(pattern: Json, at: string): string {
  if (typeof pattern !== 'string') throw new SchemaError(`${at}: must be a text`);
  const name = PATTERN_FORMAT + pattern;
  if (format[name] === undefined) {
    const compiled = compilePattern(pattern, at);
    format[name] = (value) => compiled.matcher(value).find();
  }
  return name;
}

function compilePattern(pattern: string, at: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    throw new SchemaError(
      `${at}: ${JSON.stringify(pattern)} is not a pattern that can be matched in linear time ` +
        `(RE2 syntax: no look-around, no back-references): ${(error as Error).message}`,
    );
  }
}

/** Every `$ref` must point into the schema itself: nothing is fetched. */
function checkReferences(schema: Schema): void {
  const known = dereference(schema);
  for (const place of Object.values(known)) {
    if (typeof place !== 'object') continue;
    const target = place.__absolute_ref__ as string | undefined;
    if (target !== undefined && known[target] === undefined) {
      throw new SchemaError(`: the reference ${JSON.stringify(place.$ref)} is not in the schema`);
    }
  }
}

/** The validator lists each error again for every schema around it; the innermost ones tell most. */
function leaves(errors: OutputUnit[]): OutputUnit[] {
  const found = errors.filter(
    ({ keywordLocation }) =>
      !errors.some(
        (other) =>
          other.keywordLocation !== keywordLocation &&
          other.keywordLocation.startsWith(`${keywordLocation}/`),
      ),
  );
  return found.length > 0 ? found : errors;
}

function toReportError({ instanceLocation, error, keyword }: OutputUnit): ReportError {
  const message =
    keyword === 'format' && error.includes(PATTERN_FORMAT)
      ? error.replace('format "' + PATTERN_FORMAT, 'pattern "')
      : error;
  return { path: instanceLocation.replace(/^#/, ''), message };
}
