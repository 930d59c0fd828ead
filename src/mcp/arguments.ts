/** Arguments that several tools share. */
import { z } from 'zod';
import { jobIdProblem } from '../job.js';

/**
 * Clients time tool calls out, many after 60 seconds (Codex: `tool_timeout_sec`, Claude Code:
 * `MCP_TOOL_TIMEOUT`): an answer has to be there before.
 */
export const DEFAULT_WAIT_SECONDS = 45;
const MAX_WAIT_SECONDS = 86_400;

export const waitSeconds = (unless: string) =>
  z
    .number()
    .min(0)
    .max(MAX_WAIT_SECONDS)
    .optional()
    .describe(
      `Seconds to wait for the job's end, ${unless}; 0 answers at once. Stay below the time after which your client gives a tool call up.`,
    );

export const jobId = z
  .string()
  .superRefine((text, context) => {
    const problem = jobIdProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .describe('ID of the job, as spawn_agents_on_csv answered it.');

/** Arguments by name, and no others. Null stands for an argument that is not given. */
export function toolArguments<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.preprocess(withoutNulls, z.strictObject(shape));
}

function withoutNulls(given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}
