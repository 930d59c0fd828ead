/** What is known of the program that calls the tools. */
import { fileURLToPath } from 'node:url';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type ClientCapabilities,
  type Implementation,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server';

/** Its name, as it introduces itself. */
export function clientName(server: McpServer, context: ServerContext): string {
  return introduction(server, context).info?.name ?? '';
}

/** Who it is comes with each request since the protocol of 2026-07-28, before with the connection. */
function introduction(
  { server }: McpServer,
  { mcpReq }: ServerContext,
): { info: Implementation | undefined; capabilities: ClientCapabilities | undefined } {
  const envelope: { [key: string]: unknown } | undefined = mcpReq.envelope;
  if (envelope === undefined) {
    return { info: server.getClientVersion(), capabilities: server.getClientCapabilities() };
  }
  return {
    info: envelope[CLIENT_INFO_META_KEY] as Implementation | undefined,
    capabilities: envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined,
  };
}

const ROOTS = 'roots';

/**
 * The folder that the client works in, against which paths are resolved: its first root on this
 * machine, else the folder of this process.
 * @returns what to answer where the client has to be asked first; it then calls again.
 */
export function clientRoot(
  server: McpServer,
  context: ServerContext,
): string | InputRequiredResult {
  if (introduction(server, context).capabilities?.roots === undefined) return process.cwd();
  const response = inputResponse(context.mcpReq.inputResponses, ROOTS);
  if (response.kind !== 'roots') {
    return inputRequired({ inputRequests: { [ROOTS]: inputRequired.listRoots() } });
  }
  const root = response.roots.find(({ uri }) => uri.startsWith('file:///'));
  return root === undefined ? process.cwd() : fileURLToPath(root.uri);
}
