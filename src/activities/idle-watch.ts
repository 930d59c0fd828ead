import type { RunningAgent } from '../agent/running-agent.js';
import type { ItemLimits } from '../job.js';
import type { RunReports } from '../report/run-reports.js';

/**
 * Calls back once an agent has printed and called nothing for `idle_seconds`. A request that is under way is
 * no silence: the agent waits for its answer. After its report, it is given `exit_grace_seconds` instead.
 * @returns undefined where there is no such limit.
 */
export function watchIdle(
  agent: RunningAgent,
  { idle_seconds }: ItemLimits,
  reports: RunReports,
  onIdle: () => void,
): { close(): void } | undefined {
  if (idle_seconds === undefined) return undefined;
  let timer: NodeJS.Timeout;
  // Not a timer for each sign: the one that is over sees how far the last has put it off.
  const look = () => {
    if (reports.reported) return;
    const silentAt = Math.max(agent.lastSignAt, reports.lastRequestAt) + idle_seconds * 1000;
    const left = silentAt - performance.now();
    if (left <= 0) onIdle();
    else timer = setTimeout(look, left);
  };
  timer = setTimeout(look, idle_seconds * 1000);
  return { close: () => clearTimeout(timer) };
}
