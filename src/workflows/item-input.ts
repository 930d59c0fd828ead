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
  if (!isRecord(limits) || LIMITS.some((limit) => typeof limits[limit] !== 'number'))
    return wrong('limits');
  return undefined;
}
