import type { AgentEnd } from '../activities/contract.js';
import {
  type FailureClass,
  type FailureReason,
  type ItemLimits,
  MAX_REFUSED_REPORTS,
} from '../job.js';

/** How a run ended, as its item sees it. */
export type RunEnd =
  | AgentEnd
  /** Its worker was lost. */
  | { kind: 'lost' }
  /** Its worker was told to go: costs neither an attempt nor counts as a loss. */
  | { kind: 'released' }
  /** A user's own activity. */
  | { kind: 'returned' }
  | { kind: 'activity_timed_out' }
  /** A user's own activity, which sent no heartbeat in time. */
  | { kind: 'silent' }
  /** @see ApplicationFailure.nonRetryable for what is permanent. */
  | { kind: 'threw'; error: string; permanent: boolean };

/** What an attempt that brought no valid report comes to. */
export interface AttemptEnd {
  reason: FailureReason;
  error: string;
  /** Another attempt would end in the same way. */
  permanent?: boolean;
  /** Why its last refused report was refused. */
  refused_report?: string;
  /** What was behind it, where the agent's output tells. */
  failure_class?: FailureClass;
}

/** The failure that a run's end is, if no valid report is there. */
export function failureOf(run: RunEnd, limits: ItemLimits): AttemptEnd {
  const { max_runtime_seconds, idle_seconds, heartbeat_seconds } = limits;
  const told = 'last_line' in run ? toldBy(run) : {};
  switch (run.kind) {
    case 'exited': {
      const after = lastWords(run);
      if (run.exit_code === 0) {
        return {
          reason: 'no_report',
          error: `exited with code 0 without reporting${after}`,
          ...told,
        };
      }
      const how =
        run.signal === null ? `exited with code ${run.exit_code}` : `ended by signal ${run.signal}`;
      return { reason: 'agent_error', error: how + after, ...told };
    }
    case 'timed_out': {
      const error = `still running after the ${max_runtime_seconds} s allowed, ended${lastWords(run)}`;
      return { reason: 'timed_out', error, ...told };
    }
    case 'idle': {
      const error = `printed and called nothing for ${idle_seconds} s, ended${lastWords(run)}`;
      return { reason: 'timed_out', error, ...told };
    }
    case 'exhausted': {
      const error = `${MAX_REFUSED_REPORTS} of its reports were refused, ended${lastWords(run)}`;
      return { reason: 'invalid_report', error, ...told };
    }
    case 'not_started':
      return { reason: 'agent_error', error: run.error, permanent: true };
    case 'not_prepared':
      return { reason: 'agent_error', error: run.error };
    case 'lost':
      return { reason: 'worker_lost', error: 'its worker was lost', permanent: true };
    case 'released':
      return { reason: 'worker_lost', error: 'its worker was shut down' };
    case 'returned':
      return { reason: 'no_report', error: 'the activity returned without reporting' };
    case 'activity_timed_out':
      return {
        reason: 'timed_out',
        error: `still running after the ${max_runtime_seconds} s allowed`,
      };
    case 'silent':
      return { reason: 'timed_out', error: `no heartbeat for ${heartbeat_seconds} s` };
    case 'threw':
      return { reason: 'agent_error', error: run.error, permanent: run.permanent };
  }
}

type Ended = Extract<AgentEnd, { last_line: string }>;

function toldBy({ refused_report, failure_class }: Ended) {
  return {
    ...(refused_report !== undefined && { refused_report }),
    ...(failure_class !== undefined && { failure_class }),
  };
}

function lastWords({ last_line, failure_class }: Ended): string {
  const kind = failure_class === undefined ? '' : ` (${failure_class})`;
  return kind + (last_line === '' ? '' : `: ${last_line}`);
}
