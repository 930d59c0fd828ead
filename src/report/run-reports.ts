import { isDeepStrictEqual } from 'node:util';
import type { Json, Report, ReportAnswer } from '../job.js';
import { MAX_REFUSED_REPORTS, clip } from '../job.js';
import { type ResultRules, checkReport, describeErrors, refusal } from '../report-message.js';
import type { Delivery } from './delivery.js';
import type { ReportTool } from './report-tool.js';
import type { ReportWatcher } from '../metrics.js';

/** The run whose reports these are. */
export interface ReportedRun {
  job_id: string;
  item_id: string;
  run: number;
}

/** What a job asks of its reports. */
export interface ReportTerms {
  rules: ResultRules;
  /** As MCP clients are told of it. */
  tool: ReportTool;
}

/** An answer to a reporter, with why it is refused in a word. */
export type RunAnswer =
  | (ReportAnswer & { accepted: true })
  | (ReportAnswer & { accepted: false; because: 'invalid' | 'conflict' | 'undelivered' });

/** Brings a report to its item, until it is told to give up. */
export type SendReport = (report: Report, giveUp: AbortSignal) => Promise<Delivery>;

interface FirstReport {
  result: Json;
  stop: boolean;
  delivery: Promise<Delivery>;
}

/**
 * The reports of one run, as the endpoint gets them: the first valid one is sent on to the item, and
 * is accepted once the server has it. The same report again shares in its delivery.
 */
export class RunReports {
  readonly run: ReportedRun;
  /** Why the last refused report was refused. */
  lastRefusal: string | undefined;
  /** How many reports were refused for what they say. */
  refused = 0;
  readonly tool: ReportTool;
  readonly #rules: ResultRules;
  readonly #send: SendReport;
  readonly #watcher: ReportWatcher | undefined;
  readonly #giveUp = new AbortController();
  #first: FirstReport | undefined;
  #open = 0;
  #lastRequestAt = 0;
  #onIdle: (() => void) | undefined;
  #onFirst: (() => void) | undefined;
  #onExhausted: (() => void) | undefined;
  #onDelivered: (() => void) | undefined;
  #delivered = false;

  constructor(
    run: ReportedRun,
    { rules, tool }: ReportTerms,
    send: SendReport,
    watcher?: ReportWatcher,
  ) {
    this.#watcher = watcher;
    this.run = run;
    this.#rules = rules;
    this.tool = tool;
    this.#send = send;
  }

  /** When a request was last under way, by the clock of `performance.now`: now, while one is. */
  get lastRequestAt(): number {
    return this.#open > 0 ? performance.now() : this.#lastRequestAt;
  }

  /** Whether a valid report has come. */
  get reported(): boolean {
    return this.#first !== undefined;
  }

  /** Calls back when the first valid report comes. */
  set onFirst(callback: (() => void) | undefined) {
    this.#onFirst = callback;
  }

  /** Calls back when the item has the report, at once where it has it already. */
  set onDelivered(callback: (() => void) | undefined) {
    this.#onDelivered = callback;
    if (this.#delivered) callback?.();
  }

  /** Calls back when so many reports were refused that the agent is not to go on, also at once. */
  set onExhausted(callback: (() => void) | undefined) {
    this.#onExhausted = callback;
    if (this.#exhausted) callback?.();
  }

  get #exhausted(): boolean {
    return this.refused >= MAX_REFUSED_REPORTS && !this.reported;
  }

  async receive(body: unknown): Promise<RunAnswer> {
    const start = performance.now();
    const answer = await this.#receive(body);
    if (answer.accepted) this.#watcher?.accepted((performance.now() - start) / 1000);
    else this.#watcher?.refused(answer.because);
    return answer;
  }

  /** A report that could not even be read has been refused. */
  refusedUnread(why: string): void {
    this.lastRefusal = why;
    this.#watcher?.refused('unreadable');
  }

  async #receive(body: unknown): Promise<RunAnswer> {
    const checked = checkReport(body, this.#rules);
    if ('errors' in checked) return this.#refuse(checked, 'invalid');
    const { result, stop = false, ...ids } = checked.report;
    for (const key of ['job_id', 'item_id', 'run'] as const) {
      if (ids[key] === undefined || ids[key] === this.run[key]) continue;
      const own = `this token is of ${key} ${this.run[key]}`;
      const theirs = clip(String(ids[key]), 150);
      return this.#refuse(refusal(`the report is of ${key} ${theirs}, ${own}`), 'invalid');
    }
    const duplicate = this.#first !== undefined;
    if (this.#first !== undefined && !isDeepStrictEqual(this.#first.result, result)) {
      return this.#refuse(refusal('another result was reported before'), 'conflict');
    }
    this.#first ??= { result, stop, delivery: this.#deliver(result, stop) };
    this.#onFirst?.();
    const late = this.#giveUp.signal.aborted;
    let delivery = await this.#first.delivery;
    // Given up on when its run ended: the item has it from there, and takes it twice.
    if (delivery === 'undelivered' && (late || !this.#giveUp.signal.aborted)) {
      delivery = await (this.#first.delivery = this.#deliver(result, stop));
    }
    switch (delivery) {
      case 'delivered':
        this.#delivered = true;
        this.#onDelivered?.();
        return duplicate ? { accepted: true, duplicate } : { accepted: true };
      case 'settled':
        return this.#refuse(refusal('the item is settled: its outcome is fixed'), 'conflict');
      case 'undelivered':
        return this.#refuse(
          refusal('the server does not take the report; it is delivered when the agent ends'),
          'undelivered',
        );
    }
  }

  /** Counts a request, from its arrival to its answer or to the end of its connection. */
  requestBegins(): () => void {
    this.#open += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#open -= 1;
      this.#lastRequestAt = performance.now();
      if (this.#open === 0) this.#onIdle?.();
    };
  }

  /**
   * To be called when the agent has ended: returns when every request has been answered and the report
   * delivered. A server that is away is waited for: it could not be told of the agent's end either.
   * @param hurry ends the waiting.
   * @returns the valid report that could not be delivered, if there is one.
   */
  async finish(hurry: AbortSignal): Promise<{ result: Json; stop: boolean } | undefined> {
    const giveUp = () => this.#giveUp.abort();
    const enough = setTimeout(giveUp, MAX_WAIT_FOR_SERVER_MS);
    hurry.addEventListener('abort', giveUp);
    if (hurry.aborted) giveUp();
    try {
      if (this.#open > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
      if (this.#first === undefined) return undefined;
      const { result, stop, delivery } = this.#first;
      return (await delivery) === 'undelivered' ? { result, stop } : undefined;
    } finally {
      clearTimeout(enough);
      hurry.removeEventListener('abort', giveUp);
    }
  }

  #deliver(result: Json, stop: boolean): Promise<Delivery> {
    const giveUp = this.#giveUp.signal.aborted
      ? AbortSignal.timeout(LATE_DELIVERY_MS)
      : this.#giveUp.signal;
    return this.#send({ result, ...(stop && { stop }), ...this.run }, giveUp);
  }

  #refuse(
    { errors }: ReturnType<typeof refusal>,
    because: 'invalid' | 'conflict' | 'undelivered',
  ): RunAnswer {
    if (because !== 'undelivered') this.lastRefusal = describeErrors(errors);
    if (because === 'invalid') {
      this.refused += 1;
      if (this.#exhausted) this.#onExhausted?.();
    }
    return { accepted: false, errors, because };
  }
}

const LATE_DELIVERY_MS = 5000;
/** Within what a run may take beyond the agent's own time. */
const MAX_WAIT_FOR_SERVER_MS = 100_000;
