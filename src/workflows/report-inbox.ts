import { deepCompareStrict } from '@cfworker/json-schema';
import type { Json, Report, ReportAnswer, ReportError } from '../job.js';
import { clip } from '../job.js';
import type { RefusedReport } from '../messages.js';
import { type ResultRules, checkReport, describeErrors, refusal } from '../report-message.js';

const MAX_REFUSALS_KEPT = 5;

/** The result that fixed an item's outcome. */
export interface AcceptedReport {
  result: Json;
  stop: boolean;
  reported_at: string;
  /** The run that it names: one that came by the endpoint of the run's worker names it. */
  run: number | undefined;
}

/**
 * The reports of one item: the first valid one is accepted, all others are refused and leave a trace.
 * It takes whatever arrives and never throws: a handler that throws would wedge the workflow.
 */
export class ReportInbox {
  accepted: AcceptedReport | undefined;
  /** The run in progress, or the last one: reports of earlier ones are refused. */
  run = 0;
  refused: RefusedReport[] = [];
  refusedCount = 0;
  readonly #item: { job_id: string; item_id: string };
  readonly #rules: ResultRules;

  constructor(item: { job_id: string; item_id: string }, rules: ResultRules) {
    this.#item = item;
    this.#rules = rules;
  }

  /** @param messages the arguments of the signal or update, of which there may be any number. */
  receive(...messages: unknown[]): ReportAnswer {
    if (messages.length !== 1) {
      const came = messages.length === 0 ? 'none came' : `${messages.length} came`;
      return this.#refuse(refusal(`a report is one argument, ${came}`).errors);
    }
    const [message] = messages;
    const checked = checkReport(message, this.#rules);
    if ('errors' in checked) return this.#refuse(checked.errors);
    const problem = this.#mismatch(checked.report);
    if (problem !== undefined) return this.#refuse(refusal(problem).errors);
    const { result, stop = false, run } = checked.report;
    if (this.accepted === undefined) {
      this.accepted = { result, stop, reported_at: new Date().toISOString(), run };
      return { accepted: true };
    }
    if (deepCompareStrict(this.accepted.result, result)) return { accepted: true, duplicate: true };
    return this.#refuse(refusal('another result was accepted before').errors);
  }

  #mismatch({ job_id, item_id, run }: Report): string | undefined {
    const expected = this.#item;
    if (job_id !== undefined && job_id !== expected.job_id) {
      return `the report is of job ${clip(job_id, 150)}, this item is of job ${expected.job_id}`;
    }
    if (item_id !== undefined && item_id !== expected.item_id) {
      return `the report is of item ${clip(item_id, 150)}, this is item ${expected.item_id}`;
    }
    if (run !== undefined && run !== this.run) {
      return `the report is of run ${run}, this item is in run ${this.run}`;
    }
    return undefined;
  }

  #refuse(errors: ReportError[]): ReportAnswer {
    const trace = { at: new Date().toISOString(), errors: clip(describeErrors(errors)) };
    this.refusedCount += 1;
    this.refused = [...this.refused, trace].slice(-MAX_REFUSALS_KEPT);
    return { accepted: false, errors };
  }
}
