import { type AgentCommand, CannotStart } from '../agent/agent-process.js';
import { TOKEN_VARIABLE, agentEnvironment, inherited } from '../agent/environment.js';
import { type AgentProgram, type EventReader, PROGRAMS } from '../agent/presets/program.js';
import { presetPrompt } from '../agent/presets/prompt.js';
import { programProblem } from '../agent/presets/version.js';
import type { Json, ProcessAgent } from '../job.js';
import type { ReportEndpoint } from '../report/endpoint.js';
import type { AgentRun } from './contract.js';

/** What the process of one run is made of. */
export interface RunSurroundings {
  run: AgentRun;
  agent: ProcessAgent;
  endpoint: ReportEndpoint;
  token: string;
  prompt: string;
  row: { [column: string]: Json };
  rowFile: string;
  workdir: string;
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
export async function agentCommand(own: RunSurroundings): Promise<PreparedAgent> {
  const { agent, prompt, token, workdir: cwd } = own;
  const mark = `${TOKEN_VARIABLE}=${token}`;
  if ('command' in agent) {
    const argv = agent.command.map((argument) => (argument === '{prompt}' ? prompt : argument));
    return { command: { argv, cwd, mark, env: environment(own, []), stdin: prompt } };
  }
  const program = PROGRAMS[agent.preset];
  const problem = await checked(program);
  if (problem !== undefined) throw new CannotStart(problem);
  const { run, row, endpoint } = own;
  const { job_id, item_id } = run;
  const access = { mcpUrl: endpoint.mcpUrl, tokenVariable: TOKEN_VARIABLE };
  const reader = program.reader();
  return {
    command: {
      argv: [program.executable, ...program.args(access), ...(agent.args ?? [])],
      cwd,
      mark,
      env: { ...environment(own, program.passEnv(process.env)), ...program.env },
      stdin: presetPrompt({ job_id, item_id, task: prompt, row }),
      onLine: (line) => reader.line(line),
    },
    reader,
  };
}

/** The process of a command line that the job's user has for before or after its agents. */
export function shellCommand(
  line: string,
  own: Omit<RunSurroundings, 'token' | 'prompt' | 'row'>,
): AgentCommand {
  return {
    argv: ['/bin/sh', '-c', line],
    cwd: own.workdir,
    env: environment({ ...own, token: undefined }, []),
    stdin: '',
  };
}

function environment(
  own: Pick<RunSurroundings, 'run' | 'agent' | 'endpoint' | 'rowFile'> & {
    token: string | undefined;
  },
  passed: string[],
): NodeJS.ProcessEnv {
  const { run, agent, endpoint, token, rowFile } = own;
  const reportUrl = endpoint.url;
  return agentEnvironment({ run, token, reportUrl, rowFile }, [
    ...passed,
    ...(agent.pass_env ?? []),
  ]);
}

/** Programs that were found in order; the others are looked at again, since they may be mended. */
const inOrder = new Map<AgentProgram, Promise<string | undefined>>();

async function checked(program: AgentProgram): Promise<string | undefined> {
  let checking = inOrder.get(program);
  if (checking === undefined) {
    checking = programProblem(program, inherited(program.passEnv(process.env)));
    inOrder.set(program, checking);
  }
  const problem = await checking;
  if (problem !== undefined) inOrder.delete(program);
  return problem;
}
