import { inherited } from '../agent/environment.js';
import { type Examined, examine, runner } from '../agent/presets/examine.js';
import type { AgentProgram } from '../agent/presets/program.js';
import { PROGRAMS } from '../agent/presets/programs.js';
import type { AgentSpec } from '../job.js';

/** Programs that were found in order; the others are looked at again, since they may be mended. */
const examined = new Map<AgentProgram, Promise<Examined>>();

export async function onThisHost(program: AgentProgram): Promise<Examined> {
  let examining = examined.get(program);
  if (examining === undefined) {
    examining = examine(program, inherited(program.passEnv(process.env)));
    examined.set(program, examining);
  }
  const found = await examining;
  if ('problem' in found) examined.delete(program);
  return found;
}

const offering = new Map<AgentProgram, Promise<boolean>>();

/** Whether one process of the installed program can run the agents of many rows. */
export function hostingOffered(program: AgentProgram): Promise<boolean> {
  let asking = offering.get(program);
  if (asking === undefined) {
    const run = runner(program, inherited(program.passEnv(process.env)));
    asking = program.hosting?.offered(run) ?? Promise.resolve(false);
    offering.set(program, asking);
  }
  return asking;
}

/** @returns why this host cannot run the agent, where it is a program that is known; else undefined. */
export async function hostProblem(agent: AgentSpec): Promise<string | undefined> {
  if (!('preset' in agent)) return undefined;
  const found = await onThisHost(PROGRAMS[agent.preset]);
  return 'problem' in found ? found.problem : undefined;
}
