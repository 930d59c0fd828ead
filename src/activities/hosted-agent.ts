import { stat } from 'node:fs/promises';
import type { CodexHosts } from '../agent/codex-host/codex-hosts.js';
import type { ThreadStartParams } from '../agent/codex-host/protocol.js';
import { RpcClosed, RpcError } from '../agent/codex-host/rpc.js';
import { JOB_VARIABLE, inherited, runVariables } from '../agent/environment.js';
import { PROGRAMS } from '../agent/presets/programs.js';
import { presetPrompt } from '../agent/presets/prompt.js';
import type { RunReports } from '../report/run-reports.js';
import {
  type AgentTask,
  type RunSurroundings,
  type StartedAgent,
  agentMark,
  argumentsFor,
} from './agent-command.js';
import { hostingOffered } from './host-programs.js';

/** A host that ends while a run is being begun costs the run nothing; one process more cannot hurt then. */
const HOSTS_TRIED = 2;

/**
 * Begins a run on its job's host.
 * @returns undefined where the run takes a process of its own: its program has no hosts, the user's
 *   arguments are for no host, or the host does not take the run, of which the process may say why.
 */
export async function startHosted(
  own: RunSurroundings & AgentTask,
  reports: RunReports,
  hosts: CodexHosts,
): Promise<StartedAgent | undefined> {
  const { agent, run } = own;
  if (!('preset' in agent)) return undefined;
  const program = PROGRAMS[agent.preset];
  const args = program.hosting?.args(agent.args ?? []);
  if (args === undefined || !(await isFolder(own.workdir))) return undefined;
  const found = await argumentsFor(program);
  if (!(await hostingOffered(program))) return undefined;
  const command = {
    argv: [program.executable, ...args, ...found],
    env: {
      ...inherited([...program.passEnv(process.env), ...(agent.pass_env ?? [])]),
      ...program.env,
      [JOB_VARIABLE]: run.job_id,
    },
  };
  const reader = program.reader();
  const task = {
    prompt: presetPrompt({ ...own, ...run, task: own.prompt }),
    reports,
    mark: agentMark(own.token),
    onLine: (line: string) => reader.line(line),
  };
  for (let tried = 0; tried < HOSTS_TRIED; tried += 1) {
    const host = await hosts.ofJob(run.job_id, command);
    if (host === undefined) return undefined;
    try {
      return { agent: await host.begin(threadOf(own, reports), task), told: () => reader.told('') };
    } catch (error) {
      if (error instanceof RpcError) return undefined;
      if (!(error instanceof RpcClosed)) throw error;
    }
  }
  return undefined;
}

/** Codex takes a thread also where there is no such folder. */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

function threadOf(own: RunSurroundings & AgentTask, reports: RunReports): ThreadStartParams {
  const { name, description, inputSchema } = reports.tool;
  return {
    cwd: own.workdir,
    ephemeral: true,
    approvalPolicy: 'never',
    dynamicTools: [{ type: 'function', name, description, inputSchema }],
    // The environment of its commands, by which they are also found.
    config: Object.fromEntries(
      Object.entries(runVariables(own)).map(([variable, value]) => [
        `shell_environment_policy.set.${variable}`,
        value,
      ]),
    ),
  };
}
