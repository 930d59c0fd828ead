import { type AgentCommand, CannotStart } from '../agent/agent-process.js';
import { TOKEN_VARIABLE, agentEnvironment } from '../agent/environment.js';
import { type EventReader, PROGRAMS } from '../agent/presets/program.js';
import { presetPrompt } from '../agent/presets/prompt.js';
import type { JobSpec, Json, ProcessAgent } from '../job.js';
import type { ReportEndpoint } from '../report/endpoint.js';
import type { AgentRun } from './contract.js';
import { onThisHost } from './host-programs.js';

/** What all processes of one run have. */
export interface RunSurroundings {
  run: AgentRun;
  agent: ProcessAgent;
  endpoint: ReportEndpoint;
  rowFile: string;
  workdir: string;
}

/** What its agent has beside. */
interface AgentTask {
  token: string;
  prompt: string;
  row: { [column: string]: Json };
  output_schema: JobSpec['output_schema'];
}

/** A process to be started, and who reads its output where it is a program that is known. */
export interface PreparedAgent {
  command: AgentCommand;
  reader?: EventReader;
}

/**
 * The process of a run.
 * @throws {CannotStart} where it cannot be started, also not at another time.
 */
export async function agentCommand(own: RunSurroundings & AgentTask): Promise<PreparedAgent> {
  const { agent, prompt, token, workdir: cwd } = own;
  const mark = `${TOKEN_VARIABLE}=${token}`;
  if ('command' in agent) {
    const argv = agent.command.map((argument) => (argument === '{prompt}' ? prompt : argument));
    return { command: { argv, cwd, mark, env: environment(own, []), stdin: prompt } };
  }
  const program = PROGRAMS[agent.preset];
  const found = await onThisHost(program);
  if ('problem' in found) throw new CannotStart(found.problem);
  const { run, row, endpoint, output_schema } = own;
  const { job_id, item_id } = run;
  const access = { mcpUrl: endpoint.mcpUrl, tokenVariable: TOKEN_VARIABLE };
  const reader = program.reader();
  return {
    command: {
      argv: [program.executable, ...program.args(access), ...found.args, ...(agent.args ?? [])],
      cwd,
      mark,
      env: { ...environment(own, program.passEnv(process.env)), ...program.env },
      stdin: presetPrompt({ job_id, item_id, task: prompt, row, output_schema }),
      onLine: (line) => reader.line(line),
    },
    reader,
  };
}

/** The process of a command line that the job's user has for before or after its agents. */
export function shellCommand(line: string, own: RunSurroundings): AgentCommand {
  return {
    argv: ['/bin/sh', '-c', line],
    cwd: own.workdir,
    env: environment({ ...own, token: undefined }, []),
    stdin: '',
  };
}

function environment(
  own: RunSurroundings & { token: string | undefined },
  passed: string[],
): NodeJS.ProcessEnv {
  const { run, agent, endpoint, token, rowFile } = own;
  return agentEnvironment({ run, token, endpoint, rowFile }, [
    ...passed,
    ...(agent.pass_env ?? []),
  ]);
}
