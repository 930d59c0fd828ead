import type { Command } from 'commander';
import { storeOption } from './arguments.js';

const NOTES = `
It speaks the Model Context Protocol on standard input and output, for programs such as Codex and Claude
Code, which start it themselves:

  codex mcp add agent-jobs -- agent-jobs mcp
  claude mcp add agent-jobs -- agent-jobs mcp

Its tool spawn_agents_on_csv runs a job as "agent-jobs run --local" does; get_agent_job,
get_agent_job_results and stop_agent_job follow it. Jobs outlive it.

An agent of a job that could start jobs would multiply itself. So within one (AGENT_JOBS_JOB_ID is set)
it starts none, unless told --allow-nested.`;

export function addMcp(program: Command): void {
  program
    .command('mcp')
    .summary('an MCP server, for agents that start jobs')
    .description('Serves the tools by which an agent runs jobs, until standard input ends.')
    .option('--allow-nested', 'start jobs also within an agent of a job (default: refuse)')
    .addOption(storeOption())
    .addHelpText('after', NOTES)
    .action(mcp);
}

async function mcp(options: { allowNested?: true }, command: Command): Promise<void> {
  const { serve } = await import('../mcp/serve.js');
  await serve({
    version: command.parent!.version()!,
    allowNested: options.allowNested === true,
  });
}
