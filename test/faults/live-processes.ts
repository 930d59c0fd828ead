/** The processes of agents that run at this moment, by their environment (Linux). */
import { readFileSync, readdirSync } from 'node:fs';

export interface LiveProcess {
  pid: number;
  parent: number;
  group: number;
  /** Of its environment. */
  env: ReadonlyMap<string, string>;
}

/** All processes that were started with this entry of the environment (`NAME=value`), but for this one. */
export function processesWith(entry: string): LiveProcess[] {
  const found: LiveProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (!entries.includes(entry)) continue;
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if ('ZX'.includes(state!)) continue;
      const env = new Map(entries.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
      found.push({ pid, parent: Number(parent), group: Number(group), env });
    } catch {
      // It has ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}
