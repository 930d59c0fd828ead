import type { Json } from '../job.js';
import { HOLDERS, isObject } from '../schema-keywords.js';

type ObjectSchema = { [keyword: string]: Json };

/** As the agent's model sees it. */
export interface ReportTool {
  [key: string]: unknown;
  name: string;
  description: string;
  inputSchema: ObjectSchema & { type: 'object' };
  outputSchema: ObjectSchema & { type: 'object' };
}

export const REPORT_TOOL = 'report_agent_job_result';

/** Describes the tool by which an agent reports, with the job's output schema for `result`. */
export function reportTool(outputSchema: ObjectSchema | boolean | undefined): ReportTool {
  return {
    name: REPORT_TOOL,
    description:
      'Reports the result of the item that you work on. The work counts only once this has answered ' +
      '"accepted": true. Where it answers with errors, mend the result and call again.',
    inputSchema: {
      type: 'object',
      properties: {
        job_id: { type: 'string', description: 'The job_id that you were given.' },
        item_id: { type: 'string', description: 'The item_id that you were given.' },
        result: resultSchema(outputSchema ?? true),
        stop: {
          type: 'boolean',
          description:
            'true to stop the whole job: no more items are started. Leave it out otherwise.',
        },
      },
      required: ['job_id', 'item_id', 'result'],
      additionalProperties: false,
    },
    outputSchema: {
      type: 'object',
      properties: {
        accepted: { type: 'boolean' },
        duplicate: { type: 'boolean' },
        errors: {
          type: 'array',
          items: {
            type: 'object',
            properties: { path: { type: 'string' }, message: { type: 'string' } },
            required: ['path', 'message'],
          },
        },
      },
      required: ['accepted'],
    },
  };
}

/** What calls models takes no boolean in a schema's place. */
function resultSchema(schema: ObjectSchema | boolean): ObjectSchema {
  if (schema === true) return { description: 'The result, any JSON value.' };
  if (schema === false) return { not: {} };
  const { $schema: _dialect, $id: id, ...rest } = schema;
  return rebased(rest, typeof id === 'string' ? id.replace(/#$/, '') : '') as ObjectSchema;
}

const BASE = '#/properties/result';

/** Has the references of a schema, which were to its own root, lead to its new place in the tool's. */
function rebased(schema: Json, id: string): Json {
  // A schema with an ID of its own is its own root.
  if (!isObject(schema) || '$id' in schema) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, moved(keyword, value, id)]),
  );
}

function moved(keyword: string, value: Json, id: string): Json {
  if (keyword === '$ref' && typeof value === 'string') {
    const local = id !== '' && value.startsWith(`${id}#`) ? value.slice(id.length) : value;
    if (local === '#' || local === id) return BASE;
    return local.startsWith('#/') ? BASE + local.slice(1) : local;
  }
  switch (HOLDERS.get(keyword)) {
    case 'a schema':
      return rebased(value, id);
    case 'schemas':
      return (value as Json[]).map((each) => rebased(each, id));
    case 'named schemas':
      return Object.fromEntries(
        Object.entries(value as ObjectSchema).map(([name, each]) => [name, rebased(each, id)]),
      );
    case undefined:
      return value;
  }
}
