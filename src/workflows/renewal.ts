import { workflowInfo } from '@temporalio/workflow';

/**
 * Events after which a job continues as new, beside two for each item in flight. The server would
 * suggest it at some 4,000 only, which take seconds to replay: after each refusal, whenever a worker
 * takes over, and within the ten seconds of a workflow task, whatever else the machine is doing.
 */
const MAX_EVENTS = 1500;
/** Events for which it may be put off: as it is due at some 4,000 at the latest, histories stay below 10,000. */
const MAX_PUT_OFF = 4000;

/**
 * When a job tries to continue as new.
 *
 * The server refuses where something has come since the workflow task began, and then has the whole
 * history replayed. With items ending all the time, a job that insisted would be refused until its
 * window has run empty. So it is tried at moments when nothing else has come, with slots kept full
 * between one try and the next, and insisted upon only when it has been put off for long. The task after a
 * refusal has that in it which came, and takes as long as the replay: it is not the one for another try.
 */
export class Renewal {
  readonly #settings: { max_concurrency: number };
  #dueAt: number | undefined;
  #notBefore = 0;

  /** @param settings as they are at the time. */
  constructor(settings: { max_concurrency: number }) {
    this.#settings = settings;
  }

  /** Whether to try now: no more items are started until it has worked or is put off. */
  get due(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (!continueAsNewSuggested && historyLength < MAX_EVENTS + 2 * this.#settings.max_concurrency)
      return false;
    this.#dueAt ??= historyLength;
    return this.pressing || historyLength >= this.#notBefore;
  }

  get pressing(): boolean {
    const dueAt = this.#dueAt ?? Infinity;
    return workflowInfo().historyLength > dueAt + Math.min(dueAt, MAX_PUT_OFF);
  }

  putOff(): void {
    this.#notBefore = workflowInfo().historyLength + Math.ceil((this.#dueAt ?? 0) / 32);
  }
}
