/** How items end. */
import type { Json } from './json.js';
import type { AttemptUsage } from './usage.js';

export const FAILURE_REASONS = [
  'no_report',
  'timed_out',
  'agent_error',
  'invalid_report',
  'worker_lost',
] as const;

/**
 * Why an item failed.
 * - `no_report`: the agent ended well and never reported.
 * - `timed_out`: it was still running, or (external) silent, at its deadline; or it gave no sign of life for
 *   `idle_seconds` or `heartbeat_seconds`.
 * - `agent_error`: it ended badly, or could not be started.
 * - `invalid_report`: it ended, and all it ever reported was refused.
 * - `worker_lost`: its worker was lost more often than `MAX_LOST_RUNS` allows.
 */
export type FailureReason = (typeof FAILURE_REASONS)[number];

export const FAILURE_CLASSES = [
  'tool_unavailable',
  'permission_denied',
  'model_unreachable',
  'rate_limited',
  'quota',
  'login',
  'refusal',
] as const;

/**
 * What kept an agent from reporting, as its output tells.
 * - `tool_unavailable`: it had no tool to report with.
 * - `permission_denied`: it was not allowed to use it.
 * - `model_unreachable`: its model did not answer.
 * - `rate_limited`: the model's service took no more requests for now.
 * - `quota`: nothing is left of what was paid for.
 * - `login`: the service does not know who asks.
 * - `refusal`: the model would not do it.
 */
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** A result travels inline up to `INLINE_RESULT_BYTES`, else by the key it has in the job store. */
export type ResultRef = { inline: Json } | { stored: string };

/** How an item ended: exactly one per item, fixed by the first valid report or by its absence. */
export type Outcome =
  | ({
      status: 'completed';
      result: ResultRef;
      /** ISO 8601, when the report was recorded. */
      reported_at: string;
      /** What the run that reported changed in its worktree: the key of a patch in the job store. */
      patch?: string;
    } & OutcomeCommon)
  | ({
      status: 'failed';
      reason: FailureReason;
      /** What was behind it, where the agent's output tells. */
      failure_class?: FailureClass;
      last_error: string;
      /** Set where its job puts the row back: no row has failed with it in the end. */
      quota?: QuotaEnd;
    } & OutcomeCommon)
  | ({ status: 'cancelled'; last_error: string } & OutcomeCommon);

/** An agent has met a limit of what it uses, which says nothing of its row. */
export interface QuotaEnd {
  /** ISO 8601: when the limit ends, as it has said. */
  resets_at?: string;
}

export interface OutcomeCommon {
  attempt_count: number;
  completed_at: string;
  /** Reports that were refused, over all attempts. Absent where none was. */
  refused_reports?: number;
  /** What the attempts cost, where the agent tells; those lost with their worker are not known. */
  usage?: AttemptUsage[];
  /** Set by the job from 2 on: how often the item has been started, by retries of an operator's or after quota ends. */
  generation?: number;
  /** The item of another job that has come to this outcome, where this job took it from there. */
  origin?: { job_id: string; item_id: string };
}

export type ItemStatus = Outcome['status'] | 'running' | 'pending';

/** An outcome with the row it belongs to (`row_index` counts from 0). */
export type RowOutcome = [row_index: number, outcome: Outcome];
