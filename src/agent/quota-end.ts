import type { FailureClass, ProcessAgent, QuotaEnd } from '../job.js';
import { compilePattern } from '../schema-formats.js';
import type { Told } from './presets/program.js';
import { resetOf, statedReset } from '../reset-time.js';
import type { AgentExit, RunningAgent } from './running-agent.js';

/** Of an agent's output, in which its user's pattern is looked for: the end, which says why it ended. */
const TAIL_CHARS = 16_384;

const LIMITS: ReadonlySet<FailureClass> = new Set(['quota', 'rate_limited']);

/** An end by a limit of what the agent uses. */
export interface QuotaFailure {
  quota: QuotaEnd;
  failure_class: FailureClass;
}

/**
 * Whether an agent that has exited without a report has met a limit: as its program tells, or by the signs
 * that its user has given.
 * @param now ms since the epoch.
 */
export function quotaFailure(
  agent: ProcessAgent,
  { exit_code }: AgentExit,
  output: RunningAgent['output'],
  { failure_class, message = '', resets_at }: Told,
  now: number,
): QuotaFailure | undefined {
  const end = (failure: FailureClass, reset: number | undefined): QuotaFailure => ({
    failure_class: failure,
    quota: reset === undefined ? {} : { resets_at: new Date(reset).toISOString() },
  });
  const { quota_pattern: pattern, quota_exit_code: code } = agent;
  const tail = pattern === undefined && code === undefined ? '' : output.text().slice(-TAIL_CHARS);
  const found = pattern === undefined ? undefined : lastMatch(pattern, tail);
  if (found?.reset !== undefined) return end('quota', resetOf(found.reset, now));
  if (found !== undefined || (code !== undefined && exit_code === code)) {
    return end('quota', statedReset(tail, now));
  }
  if (failure_class === undefined || !LIMITS.has(failure_class)) return undefined;
  return end(failure_class, resets_at ?? statedReset(message, now));
}

function lastMatch(pattern: string, text: string): { reset?: string } | undefined {
  const compiled = compilePattern(pattern);
  const matcher = compiled.matcher(text);
  let found: { reset?: string } | undefined;
  while (matcher.find()) {
    const reset = 'reset' in compiled.namedGroups() ? matcher.group('reset') : null;
    found = reset === null ? {} : { reset };
  }
  return found;
}
