import type { AgentEnd } from '../activities/contract.js';
import type { FailureReason, ItemLimits } from '../job.js';

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
  | { kind: 'threw'; error: string };

/** What an attempt that brought no valid report comes to. */
export interface AttemptEnd {
  reason: FailureReason;
  error: string;
  /** Another attempt would end in the same way. */
  permanent?: boolean;
  /** Why its last refused report was refused. */
  refused_report?: string;
}

/** The failure that a run's end is, if no valid report is there. */
export function failureOf(run: RunEnd, { max_runtime_seconds }: ItemLimits): AttemptEnd {
  const refused =
    'refused_report' in run && run.refused_report !== undefined
      ? { refused_report: run.refused_report }
      : {};
  switch (run.kind) {
    case 'exited': {
      const after = run.last_line === '' ? '' : `: ${run.last_line}`;
      if (run.exit_code === 0) {
        return {
          reason: 'no_report',
          error: `exited with code 0 without reporting${after}`,
          ...refused,
        };
      }
      const how =
        run.signal === null ? `exited with code ${run.exit_code}` : `ended by signal ${run.signal}`;
      return { reason: 'agent_error', error: how + after, ...refused };
    }
    case 'timed_out': {
      const after = run.last_line === '' ? '' : `: ${run.last_line}`;
      const error = `still running after the ${max_runtime_seconds} s allowed, ended${after}`;
      return { reason: 'timed_out', error, ...refused };
    }
    case 'not_started':
      return { reason: 'agent_error', error: run.error, permanent: true, ...refused };
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
    case 'threw':
      return { reason: 'agent_error', error: run.error };
  }
}
