import type { JobRef } from '../activities/contract.js';
import type { AgentRoute, ItemLimits, Json } from '../job.js';
import { isRecord } from './activity-results.js';

/** What the workflow of an item gets. */
export interface ItemInput extends JobRef {
  item_id: string;
  row_index: number;
  agent: AgentRoute;
  limits: ItemLimits;
  /** From the second on. */
  generation?: number;
  output_schema?: { [key: string]: Json } | boolean;
}

/** Some thirty years in seconds, a gigabyte. */
const MAX_LIMIT = 1e9;
const KINDS: AgentRoute['kind'][] = ['process', 'external', 'activity'];
const LIMITS = [
  'max_runtime_seconds',
  'max_attempts',
  'report_grace_seconds',
  'exit_grace_seconds',
  'max_result_bytes',
] as const satisfies (keyof ItemLimits)[];

/** Why a value is no {@link ItemInput}: whoever starts an item by hand may give it anything. */
export function inputProblem(input: unknown): string | undefined {
  const wrong = (field: string) =>
    `items are started by their job: input.${field} is missing or wrong`;
  if (!isRecord(input)) return 'items are started by their job: there is no input';
  for (const field of ['job_id', 'store_id', 'item_id']) {
    if (typeof input[field] !== 'string') return wrong(field);
  }
  if (!Number.isSafeInteger(input['row_index'])) return wrong('row_index');
  const { agent, limits } = input;
  if (!isRecord(agent) || !KINDS.some((kind) => kind === agent['kind'])) return wrong('agent');
  const isOwn = agent['kind'] === 'activity';
  if (isOwn && [agent['activity'], agent['task_queue']].some((name) => typeof name !== 'string'))
    return wrong('agent');
  if (!isRecord(limits) || !LIMITS.every((limit) => isLimit(limits[limit]))) return wrong('limits');
  return undefined;
}

/** Whether it can be counted, and added to a time. */
function isLimit(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= MAX_LIMIT;
}
