import { type AgentCommand, AgentProcess, CannotStart } from '../agent/agent-process.js';
import { TOKEN_VARIABLE, inherited, runVariables } from '../agent/environment.js';
import type { Guard } from '../agent/guard.js';
import type { AgentProgram, EventReader, Told } from '../agent/presets/program.js';
import { PROGRAMS } from '../agent/presets/programs.js';
import { presetPrompt } from '../agent/presets/prompt.js';
import type { RunningAgent } from '../agent/running-agent.js';
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
  /** By which its processes are part of a trace. */
  trace: { [name: string]: string } | undefined;
}

/** What its agent has beside. */
export interface AgentTask {
  token: string;
  prompt: string;
  row: { [column: string]: Json };
  output_schema: JobSpec['output_schema'];
}

/** An agent that runs. */
export interface StartedAgent {
  agent: RunningAgent;
  /** What its output tells, where it is a program that is known. */
  told?: () => Told;
}

/**
 * Starts the process of a run.
 * @throws {CannotStart} where it cannot be started, also not at another time.
 */
export async function startProcess(
  own: RunSurroundings & AgentTask,
  guard: Guard,
  noteGroup: (pid: number) => Promise<void>,
): Promise<StartedAgent> {
  const { command, reader } = await agentCommand(own);
  const agent = await AgentProcess.start(command, guard);
  await noteGroup(agent.pid);
  return { agent, ...(reader && { told: () => reader.told(agent.errors.text()) }) };
}

/** @returns the entry of the environment that all processes of the agent have, and no others. */
export function agentMark(token: string): string {
  return `${TOKEN_VARIABLE}=${token}`;
}

async function agentCommand(
  own: RunSurroundings & AgentTask,
): Promise<{ command: AgentCommand; reader?: EventReader }> {
  const { agent, prompt, token, workdir: cwd } = own;
  const mark = agentMark(token);
  if ('command' in agent) {
    const argv = agent.command.map((argument) => (argument === '{prompt}' ? prompt : argument));
    return { command: { argv, cwd, mark, env: environment(own, []), stdin: prompt } };
  }
  const program = PROGRAMS[agent.preset];
  const found = await argumentsFor(program);
  const { run, endpoint } = own;
  const access = { mcpUrl: endpoint.mcpUrl, tokenVariable: TOKEN_VARIABLE };
  const reader = program.reader();
  const toolOf = 'the MCP server agent_jobs';
  return {
    command: {
      argv: [program.executable, ...program.args(access), ...found, ...(agent.args ?? [])],
      cwd,
      mark,
      env: { ...environment(own, program.passEnv(process.env)), ...program.env },
      stdin: presetPrompt({ ...own, ...run, task: prompt, toolOf }),
      onLine: (line) => reader.line(line),
    },
    reader,
  };
}

/**
 * What more arguments a program takes on this host.
 * @throws {CannotStart} where it cannot be used.
 */
export async function argumentsFor(program: AgentProgram): Promise<string[]> {
  const found = await onThisHost(program);
  if ('problem' in found) throw new CannotStart(found.problem);
  return found.args;
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
  return { ...inherited([...passed, ...(own.agent.pass_env ?? [])]), ...runVariables(own) };
}
