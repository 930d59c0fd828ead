import type { JobRef } from '../activities/contract.js';
import type { AgentRoute, ItemLimits, Json } from '../job.js';

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
