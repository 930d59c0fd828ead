import { createHash } from 'node:crypto';
import type { JobSpec } from '../job.js';

/**
 * Tells tasks apart: jobs of the same hash give the same to an agent for the same row. What only says when and
 * how often agents run is no part of it, nor is by what it is known that they have met a limit.
 * @param commit from which each row starts, where each has a worktree.
 */
export function taskHash(
  { instruction, output_schema, agent }: JobSpec,
  commit: string | undefined,
): string {
  const told = ['quota_pattern', 'quota_exit_code'];
  const who = Object.fromEntries(Object.entries(agent).filter(([field]) => !told.includes(field)));
  const task = canonical({ instruction, output_schema, agent: who, commit });
  return createHash('sha256').update(task).digest('hex');
}

/** JSON text that is the same whatever the order of keys. */
export function canonical(value: object): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
