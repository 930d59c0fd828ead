import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { checkInput } from '../activities/open-input.js';
import { UsageError } from '../cli/errors.js';
import type { JobSpec } from '../client.js';
import { storeIsShared } from '../config.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_MAX_CONCURRENCY,
  MAX_CONCURRENCY,
  defaultOutputPath,
} from '../job.js';
import { parseSpec } from '../spec.js';
import { agentArgument, agentOf } from './agent-argument.js';

/** The arguments of Codex's own tool, with its meanings, and the agent. */
export const specArguments = {
  csv_path: z
    .string()
    .describe('Path to the CSV file with the input rows (or JSON Lines: .jsonl, .ndjson).'),
  instruction: z
    .string()
    .describe(
      'Instruction template to apply to each row. {column_name} is replaced by the cell of the row.',
    ),
  id_column: z
    .string()
    .optional()
    .describe('Column to use as stable item ID. Default: items are row-1, row-2, …'),
  output_csv_path: z
    .string()
    .optional()
    .describe(
      'Path of the CSV (or .jsonl) file for the results. Default: <input>.agent-job-<ID, first 8>.csv beside the input.',
    ),
  output_schema: z
    .looseObject({})
    .meta({ additionalProperties: true })
    .optional()
    .describe('JSON Schema for the result of each row. Default: any JSON is accepted.'),
  max_concurrency: z
    .int()
    .min(1)
    .max(MAX_CONCURRENCY)
    .optional()
    .describe(
      `Agents at once, 1 to ${MAX_CONCURRENCY}. Default: ${DEFAULT_MAX_CONCURRENCY}. Set to 1 to go row by row.`,
    ),
  max_workers: z
    .int()
    .min(1)
    .max(MAX_CONCURRENCY)
    .optional()
    .describe('Alias for max_concurrency.'),
  max_runtime_seconds: z
    .number()
    .optional()
    .describe(
      `Seconds an agent may run before its row is failed. Default: ${DEFAULT_LIMITS.max_runtime_seconds}.`,
    ),
  agent: agentArgument,
};

/**
 * Makes a job of the arguments, and checks its input as the job itself will do: what is wrong is said
 * before anything is started.
 * @param client.root what paths are relative to.
 * @throws {UsageError}; {@link SpecError}; {@link InvalidInput}.
 */
export async function readSpec(
  { max_workers, ...given }: z.infer<z.ZodObject<typeof specArguments>>,
  client: { name: string; root: string },
): Promise<{ jobId: string; spec: JobSpec; total: number; output_csv_path: string }> {
  if (
    given.max_concurrency !== undefined &&
    (max_workers ?? given.max_concurrency) !== given.max_concurrency
  ) {
    throw new UsageError(
      `max_workers: is another name of max_concurrency, and both are given: ${max_workers} and ${given.max_concurrency}`,
    );
  }
  const jobId = randomUUID();
  const { output_csv_path } = given;
  const spec = parseSpec({
    ...given,
    csv_path: resolve(client.root, given.csv_path),
    output_csv_path:
      output_csv_path === undefined ? undefined : resolve(client.root, output_csv_path),
    max_concurrency: given.max_concurrency ?? max_workers,
    // Where only the store is shared, the client's folder is not there for the agents.
    agent: agentOf(given.agent, client.name, storeIsShared() ? undefined : client.root),
  });
  const total = await checkedRows(jobId, spec);
  const output = spec.output_csv_path ?? defaultOutputPath(spec.csv_path, jobId);
  return { jobId, spec, total, output_csv_path: output };
}

/** @returns the number of rows. */
async function checkedRows(jobId: string, spec: JobSpec): Promise<number> {
  if (spec.output_csv_path !== undefined) {
    // Codex's own tool made the folder; where it cannot be made, the check says so.
    await mkdir(dirname(spec.output_csv_path), { recursive: true }).catch(() => {});
  }
  try {
    return (await checkInput(jobId, spec)).total;
  } catch (error) {
    if (error instanceof Error) error.message = inArguments(error.message);
    throw error;
  }
}

/** The check speaks of the command line's options. */
function inArguments(message: string): string {
  return message
    .replace(', or replace it with --overwrite', '')
    .replaceAll('--output', 'output_csv_path');
}
