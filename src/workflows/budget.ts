import { type Budget, type Usage, ended, tokensOf } from '../job.js';
import { spentText } from '../usage-text.js';
import type { Gate } from './admission.js';
import type { JobState } from './job-state.js';

/** Rows that are started before one has told what it takes. */
const FIRST_WAVE = 4;

/** One of the two that a budget may have. */
interface Cap {
  of: keyof Budget;
  max: number;
  spent: number;
  /** Rows that have ended, and those that have told it. */
  ended: number;
  told: number;
}

/**
 * Keeps within a budget: what a row takes on average is reserved for each that runs, so that rows stop being
 * started before it is spent. What agents have taken is known only at their end, so that those which take more
 * than the ones before may exceed it.
 */
export class BudgetGate implements Gate {
  readonly waitsFor = 'rows that run: what is left of the budget is reserved for them';
  readonly #job: JobState;

  constructor(job: JobState) {
    this.#job = job;
  }

  room(running: number): number {
    return Math.min(Infinity, ...capsOf(this.#job).map((cap) => roomIn(cap) - running));
  }

  /** Why no row will start any more, with none running; null where one may. */
  exhausted(): string | null {
    const spent = budgetSpent(this.#job);
    if (spent !== null) return spent;
    const cap = capsOf(this.#job).find((each) => roomIn(each) < 1);
    if (cap === undefined) return null;
    const mean = spentText(cap.of, cap.spent / cap.told);
    return `${sumUp(cap)}, and a row takes ${mean} on average`;
  }
}

/** Why no more rows are started, whatever runs; null where it is not for the budget. */
export function budgetSpent(job: JobState): string | null {
  if (ended(job.counts) === job.total) return null;
  const caps = capsOf(job);
  const over = caps.find(({ spent, max }) => spent >= max);
  if (over !== undefined) return sumUp(over);
  const silent = caps.find(({ told, ended: rows }) => told === 0 && rows >= FIRST_WAVE);
  if (silent === undefined) return null;
  const what = silent.of === 'max_cost_usd' ? 'what it cost' : 'the tokens that it took';
  return `budget: none of the first ${silent.ended} rows has told ${what}`;
}

function sumUp({ of, spent, max }: Cap): string {
  return `budget: ${spentText(of, spent)} of ${spentText(of, max)} spent`;
}

function roomIn({ max, spent, told, ended: rows }: Cap): number {
  if (spent >= max) return 0;
  // Sums of floats: 1.2 - 0.9 has room for one of 0.3.
  return told === 0 ? FIRST_WAVE - rows : Math.floor(((max - spent) * told) / spent + 1e-9);
}

function capsOf({ settings, usage, told }: JobState): Cap[] {
  return spentOf(settings.budget ?? null, usage).map((cap) => ({
    ...cap,
    ended: told?.ended ?? 0,
    told: (cap.of === 'max_tokens' ? told?.tokens : told?.cost) ?? 0,
  }));
}

/** What is spent of each part of a budget. */
export function spentOf(budget: Budget | null, usage: Usage | null) {
  const { max_cost_usd, max_tokens } = budget ?? {};
  const spent: Pick<Cap, 'of' | 'max' | 'spent'>[] = [];
  if (max_cost_usd !== undefined) {
    spent.push({ of: 'max_cost_usd', max: max_cost_usd, spent: usage?.cost_usd ?? 0 });
  }
  if (max_tokens !== undefined) {
    const tokens = usage === null ? 0 : tokensOf(usage);
    spent.push({ of: 'max_tokens', max: max_tokens, spent: tokens });
  }
  return spent;
}
