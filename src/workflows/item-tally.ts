import type { AgentEnd } from '../activities/contract.js';
import { type AttemptUsage, type OutcomeCommon, MAX_USAGE_ENTRIES, addUsage } from '../job.js';
import type { RunEnd } from './attempt-end.js';

/** What an item's runs come to, beside its result: what they used, what they changed, and how many reports were refused. */
export class ItemTally {
  #usage: AttemptUsage[] = [];
  #refused = 0;
  #patch: string | undefined;

  add(attempt: number, run: RunEnd): void {
    const { usage, patch, refused_reports = 0 }: Partial<AgentEnd> = 'last_line' in run ? run : {};
    this.#patch = patch;
    this.#refused += refused_reports;
    if (usage === undefined) return;
    const last = this.#usage.at(-1);
    const entry = { attempt, ...usage };
    if (last?.attempt === attempt) this.#usage.splice(-1, 1, sum(last, entry));
    else this.#usage.push(entry);
    if (this.#usage.length > MAX_USAGE_ENTRIES) {
      const [first, second] = this.#usage.splice(0, 2) as [AttemptUsage, AttemptUsage];
      this.#usage.unshift(sum(first, second));
    }
  }

  /** Of the last run, which is the one whose report counts if one does. */
  get patch(): { patch?: string } {
    return this.#patch === undefined ? {} : { patch: this.#patch };
  }

  /** @param refusedByItem reports that came to the item itself and were refused there. */
  outcome(refusedByItem: number): Pick<OutcomeCommon, 'usage' | 'refused_reports'> {
    const refused = this.#refused + refusedByItem;
    return {
      ...(refused > 0 && { refused_reports: refused }),
      ...(this.#usage.length > 0 && { usage: this.#usage }),
    };
  }
}

/** Of the later attempt. */
function sum(earlier: AttemptUsage, later: AttemptUsage): AttemptUsage {
  return { attempt: later.attempt, ...addUsage(earlier, later) };
}
