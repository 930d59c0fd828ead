/**
 * What the keywords of an output schema take (JSON Schema 2020-12). The validator itself checks none of
 * it: a slip in a schema would have it pass or refuse every result, once all agents have worked.
 */
import type { Json } from './job.js';

/** How the schemas inside a keyword's value are found. */
export type Holds = 'a schema' | 'schemas' | 'named schemas';

const each = (holds: Holds, names: string): [string, Holds][] =>
  names.split(' ').map((name) => [name, holds]);

/** Keywords that hold schemas. */
export const HOLDERS: ReadonlyMap<string, Holds> = new Map([
  ...each('a schema', 'items contains additionalProperties propertyNames not if then else'),
  ...each('a schema', 'unevaluatedItems unevaluatedProperties'),
  ...each('schemas', 'allOf anyOf oneOf prefixItems'),
  ...each('named schemas', 'properties $defs definitions dependentSchemas'),
]);

type Rule = (value: Json) => string | undefined;

const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'];

const type: Rule = (value) => {
  const unknown = (Array.isArray(value) ? value : [value]).find(
    (name) => typeof name !== 'string' || !TYPES.includes(name),
  );
  if (unknown !== undefined) return `${JSON.stringify(unknown)} is none of ${TYPES.join(', ')}`;
  return Array.isArray(value) && value.length === 0 ? 'names no type' : undefined;
};
const text: Rule = (value) => (typeof value === 'string' ? undefined : 'must be a text');
const number: Rule = (value) => (typeof value === 'number' ? undefined : 'must be a number');
const positive: Rule = (value) =>
  typeof value === 'number' && value > 0 ? undefined : 'must be a number above 0';
const count: Rule = (value) =>
  Number.isInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number from 0';
const flag: Rule = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const list: Rule = (value) => (Array.isArray(value) ? undefined : 'must be a list');
const texts: Rule = (value) =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string')
    ? undefined
    : 'must be a list of texts';
const namedTexts: Rule = (value) =>
  isObject(value) && Object.values(value).every((entry) => texts(entry) === undefined)
    ? undefined
    : 'must be an object of lists of texts';
const unsupported =
  (instead: string): Rule =>
  () =>
    `is not supported; ${instead}`;

const ruled = (rule: Rule, names: string): [string, Rule][] =>
  names.split(' ').map((name) => [name, rule]);

const RULES: ReadonlyMap<string, Rule> = new Map([
  ...ruled(type, 'type'),
  ...ruled(text, '$ref $id $anchor pattern format'),
  ...ruled(number, 'minimum maximum exclusiveMinimum exclusiveMaximum'),
  ...ruled(positive, 'multipleOf'),
  ...ruled(count, 'minLength maxLength minItems maxItems minContains maxContains'),
  ...ruled(count, 'minProperties maxProperties'),
  ...ruled(flag, 'uniqueItems'),
  ...ruled(list, 'enum'),
  ...ruled(() => undefined, 'const'),
  ...ruled(texts, 'required'),
  ...ruled(namedTexts, 'dependentRequired'),
  ...ruled(
    unsupported('use "propertyNames" with a "pattern" and "additionalProperties"'),
    'patternProperties',
  ),
  ...ruled(unsupported('use "$ref"'), '$dynamicRef $recursiveRef'),
  ...ruled(unsupported('use "dependentRequired" or "dependentSchemas"'), 'dependencies'),
]);

/** Whether the keyword says something about results; others only describe, and are not looked at. */
export function constrains(keyword: string): boolean {
  return RULES.has(keyword);
}

/** @returns what is wrong with the value of a keyword that holds no schemas, or undefined. */
export function valueProblem(keyword: string, value: Json): string | undefined {
  return RULES.get(keyword)?.(value);
}

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
