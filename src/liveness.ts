/** How an agent shows that it lives, apart from its deadline: which kind of agent by what, and how often. */
import type { ItemLimits } from './job.js';

/**
 * The server takes 10,000 signals of an execution, reports among them. An external agent sends some three
 * heartbeats in the time that it may be silent: so they stay well below that, whatever an item may take in all.
 */
const MAX_SILENCES = 2500;

/** @returns what is wrong with these limits for such an agent, as `field: …`; undefined where nothing is. */
export function livenessProblem(
  kind: 'process' | 'external' | 'activity',
  limits: Pick<
    ItemLimits,
    'idle_seconds' | 'heartbeat_seconds' | 'max_runtime_seconds' | 'max_attempts'
  >,
): string | undefined {
  const { idle_seconds, heartbeat_seconds, max_runtime_seconds, max_attempts } = limits;
  if (idle_seconds !== undefined && kind !== 'process') {
    return 'idle_seconds: is for agents that a worker starts as processes; what others print is not seen. They take heartbeat_seconds';
  }
  if (heartbeat_seconds === undefined) return undefined;
  if (kind === 'process') {
    return 'heartbeat_seconds: is for external agents and activities; agents that a worker starts as processes take idle_seconds';
  }
  const most = max_runtime_seconds * max_attempts;
  const least = Math.ceil(most / MAX_SILENCES);
  if (kind === 'activity' || heartbeat_seconds >= least) return undefined;
  return (
    `heartbeat_seconds: ${heartbeat_seconds} s is too little for items that may take ${most} s in all ` +
    `(max_runtime_seconds × max_attempts): the server takes 10,000 signals of each. At least ${least} s`
  );
}
