import type { JobRef } from '../activities/contract.js';
import type { AgentRoute, ItemLimits, Json } from '../job.js';

/** What the workflow of an item gets. */
export interface ItemInput extends JobRef {
  item_id: string;
  row_index: number;
  agent: AgentRoute;
  limits: ItemLimits;
  /** The attempt that it is in and the run that was the last, where it goes on from an earlier workflow. */
  after?: { attempt: number; run: number };
  output_schema?: { [key: string]: Json } | boolean;
}
