import { setTimeout as delay } from 'node:timers/promises';
import { processesMarked } from './process-table.js';

/** What processes are given between the polite signal and the other one. */
const KILL_AFTER_MS = 5000;
/** The kernel ends what was killed when it gets to it. */
const GONE_AFTER_MS = 2000;
const POLL_MS = 20;

/** Processes that are ended together. */
export interface Condemned {
  /** Sends a signal to those that are there. */
  signal(signal: NodeJS.Signals): void;
  /** Whether some run. */
  alive(): boolean | Promise<boolean>;
}

/** Ends processes, politely first. Returns when they are gone, or cannot be ended. */
export async function endProcesses(
  processes: Condemned,
  killAfterMs = KILL_AFTER_MS,
): Promise<void> {
  if (!(await processes.alive())) return;
  processes.signal('SIGTERM');
  if (await gone(processes, killAfterMs)) return;
  processes.signal('SIGKILL');
  await gone(processes, GONE_AFTER_MS);
}

async function gone(processes: Condemned, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (await processes.alive()) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Processes that carry a mark in their environment: what an agent started and what left its process
 * group, as daemons do. Each look finds those that were started since the last one.
 */
export function marked(mark: string): Condemned {
  let pids: number[] = [];
  return {
    signal: (signal) => pids.forEach((pid) => signalIfThere(pid, signal)),
    async alive() {
      pids = (await processesMarked(mark)).filter((pid) => pid !== process.pid);
      return pids.length > 0;
    },
  };
}

/** @param target a process, or a process group as its negative. */
export function signalIfThere(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended in between.
  }
}
