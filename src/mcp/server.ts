import { McpServer } from '@modelcontextprotocol/server';
import { JobStarts } from './job-starts.js';
import { addGetJob } from './get-job-tool.js';
import { addResults } from './results-tool.js';
import { addSpawn } from './spawn-tool.js';
import { addStop } from './stop-tool.js';

export interface ServerOptions {
  version: string;
  /** Whether jobs may be started within an agent of a job. */
  allowNested: boolean;
}

const INSTRUCTIONS =
  'Runs one AI agent for each row of a CSV, durably: spawn_agents_on_csv starts a job and waits for it. ' +
  'Where it answers with status "running", follow the job with get_agent_job; get_agent_job_results ' +
  'has what the agents reported, and stop_agent_job ends a job early.';

/** Makes the servers of one process, which know of each other's jobs. */
export function mcpServerFactory({ version, allowNested }: ServerOptions): () => McpServer {
  const starts = new JobStarts();
  return () => {
    const server = new McpServer(
      { name: 'agent-jobs', title: 'agent-jobs', version },
      { instructions: INSTRUCTIONS },
    );
    addSpawn(server, starts, allowNested);
    addGetJob(server, starts);
    addResults(server, starts);
    addStop(server, starts);
    return server;
  };
}
