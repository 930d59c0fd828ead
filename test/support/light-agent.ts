/** Jobs of light agents, and what they leave behind. */
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import type { JobSpec } from '../../src/job.js';
import { ROOT, type Site } from './site.js';

/** The command of an agent whose prompt is a piece of shell; see light-agent.sh. */
export const LIGHT_AGENT = ['bash', join(ROOT, 'test/support/light-agent.sh')];

/** A job's spec over rows of shell: columns `id` and `shell`. */
export async function lightSpec(
  site: Site,
  rows: Record<string, string>,
  spec: Partial<JobSpec> = {},
): Promise<JobSpec> {
  const name = `light-${Math.random().toString(36).slice(2, 10)}.csv`;
  return {
    csv_path: await site.file(name, stringify([['id', 'shell'], ...Object.entries(rows)])),
    instruction: '{shell}',
    id_column: 'id',
    agent: { command: LIGHT_AGENT },
    ...spec,
  };
}

/** `r000`, `r001`, …, each with the shell that is made for it. */
export function rowsOf(count: number, shell: (n: number) => string): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`r${String(n).padStart(3, '0')}`, shell(n)]),
  );
}
