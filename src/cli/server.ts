import { AgentJobs } from '../client.js';
import { type ServerConnection, serverConnection, tracesWanted, webUi } from '../config.js';
import { listens, loopbackPort } from './loopback.js';

/** Where nothing listens on this machine, nobody is to wait for long to be told. */
const ABSENT_TIMEOUT_MS = 2000;
/** Elsewhere, and on a busy machine, an answer may take its time. */
const TIMEOUT_MS = 10_000;

/** The server as commands use it. */
export interface Connected {
  jobs: AgentJobs;
  server: ServerConnection;
  /** Where the Web UI shows a workflow; undefined where its address is not known. */
  link: (workflowId: string) => string | undefined;
}

/**
 * Connects, does the work, and disconnects.
 * @throws {ConfigError}; {@link ServerUnreachable}; what the work throws.
 */
export async function connected<T>(work: (connected: Connected) => Promise<T>): Promise<T> {
  const server = serverConnection();
  const port = loopbackPort(server.address);
  const absent = port !== undefined && !(await listens(port));
  const traces = tracesWanted()
    ? (await import('../traces/provider.js')).startTraces('agent-jobs', () => {})
    : undefined;
  const jobs = await AgentJobs.connect({
    connectTimeoutMs: absent ? ABSENT_TIMEOUT_MS : TIMEOUT_MS,
  });
  try {
    return await work({ jobs, server, link: (workflowId) => webUiLink(server, workflowId) });
  } finally {
    await jobs.close();
    await traces?.flush();
  }
}

function webUiLink({ address, namespace }: ServerConnection, workflowId: string) {
  const ui = webUi(address);
  if (ui === undefined) return undefined;
  return `${ui}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
}
