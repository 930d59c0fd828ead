import { z } from 'zod';
import { UsageError } from '../cli/errors.js';

export const agentArgument = z
  .union([z.enum(['codex', 'claude']), z.array(z.string()).min(1)])
  .optional()
  .describe(
    'What works on the rows: "codex" or "claude", or a command as an array of program and arguments, in which an argument that is exactly {prompt} is replaced by the prompt (also on standard input). Default: the program that calls this tool, if it is Codex or Claude Code.',
  );

/** The `agent` of a job's spec, still to be checked. */
export function agentOf(
  agent: z.infer<typeof agentArgument>,
  clientName: string,
  workdir: string | undefined,
): object {
  const chosen = agent ?? presetOf(clientName);
  if (Array.isArray(chosen)) return { command: chosen, workdir };
  return { preset: chosen, workdir };
}

/** The names by which the programs introduce themselves. */
function presetOf(clientName: string): string {
  if (/^codex/i.test(clientName)) return 'codex';
  if (/^claude-code/i.test(clientName)) return 'claude';
  throw new UsageError(
    'agent: say what works on the rows: "codex", "claude" or a command, as ["node", "agent.mjs"]',
  );
}
