import type { AgentCommand } from '../agent/agent-process.js';
import { TOKEN_VARIABLE, agentEnvironment } from '../agent/environment.js';
import { type EventReader, PROGRAMS } from '../agent/presets/program.js';
import { presetPrompt } from '../agent/presets/prompt.js';
import type { JobSpec, Json, ProcessAgent } from '../job.js';
import type { ReportEndpoint } from '../report/endpoint.js';
import type { AgentRun } from './contract.js';
import { onThisHost } from './host-programs.js';

/** What the process of one run is made of. */
export interface RunSurroundings {
  run: AgentRun;
  agent: ProcessAgent;
  endpoint: ReportEndpoint;
  token: string;
  prompt: string;
  row: { [column: string]: Json };
  output_schema: JobSpec['output_schema'];
  rowFile: string;
  workdir: string;
}

/** A process to be started, and who reads its output where it is a program that is known. */
export interface PreparedAgent {
  command: AgentCommand;
  reader?: EventReader;
}

/** @returns the process of a run, or why it cannot be started. */
export async function agentCommand(own: RunSurroundings): Promise<PreparedAgent | string> {
  const { agent, prompt, workdir: cwd } = own;
  if ('command' in agent) {
    const argv = agent.command.map((argument) => (argument === '{prompt}' ? prompt : argument));
    return { command: { argv, cwd, env: environment(own, []), stdin: prompt } };
  }
  const program = PROGRAMS[agent.preset];
  const found = await onThisHost(program);
  if ('problem' in found) return found.problem;
  const { run, row, endpoint, output_schema } = own;
  const { job_id, item_id } = run;
  const access = { mcpUrl: endpoint.mcpUrl, tokenVariable: TOKEN_VARIABLE };
  const reader = program.reader();
  return {
    command: {
      argv: [program.executable, ...program.args(access), ...found.args, ...(agent.args ?? [])],
      cwd,
      env: { ...environment(own, program.passEnv(process.env)), ...program.env },
      stdin: presetPrompt({ job_id, item_id, task: prompt, row, output_schema }),
      onLine: (line) => reader.line(line),
    },
    reader,
  };
}

function environment(own: RunSurroundings, passed: string[]): NodeJS.ProcessEnv {
  const { run, agent, endpoint, token, rowFile } = own;
  return agentEnvironment({ run, token, endpoint, rowFile }, [
    ...passed,
    ...(agent.pass_env ?? []),
  ]);
}
