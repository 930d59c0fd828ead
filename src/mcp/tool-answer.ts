/** What tools answer: JSON, as structured content and as text for clients that know only that. */
import type { CallToolResult } from '@modelcontextprotocol/server';
import { explain } from '../cli/errors.js';

export function toolAnswer(value: object): CallToolResult {
  return {
    content: [{ type: 'text', text: JSON.stringify(value) }],
    structuredContent: { ...value },
  };
}

/** Answers what the tool does; where it cannot be done, what was wrong, for the agent that asked. */
export async function answering<T extends object>(
  tool: () => Promise<CallToolResult | T>,
): Promise<CallToolResult | T> {
  try {
    return await tool();
  } catch (error) {
    const text = explain(error).message ?? 'it failed without saying why';
    return { content: [{ type: 'text', text }], isError: true };
  }
}
