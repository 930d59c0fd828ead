import { once } from 'node:events';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { note } from '../cli/output.js';
import { type ServerOptions, mcpServerFactory } from './server.js';

/** Serves MCP on standard input and output until the client closes them; jobs go on. */
export async function serve(options: ServerOptions): Promise<void> {
  const ended = once(process.stdin, 'close');
  serveStdio(mcpServerFactory(options), {
    onerror: (error) => note(`agent-jobs mcp: ${error.message}`),
  });
  await ended;
}
