import { workflowInfo } from '@temporalio/workflow';

/**
 * When a job tries to continue as new, once the server suggests it.
 *
 * The server refuses where something has come since the workflow task began, and then has the whole
 * history replayed. With items ending all the time, a job that insisted would be refused until its
 * window has run empty. So it is tried at moments when nothing else has come, with slots kept full
 * between one try and the next, and insisted upon only when history has doubled meanwhile.
 */
export class Renewal {
  #suggestedAt: number | undefined;
  #notBefore = 0;

  /** Whether to try now: no more items are started until it has worked or is put off. */
  get due(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (!continueAsNewSuggested) return false;
    this.#suggestedAt ??= historyLength;
    return this.pressing || historyLength >= this.#notBefore;
  }

  get pressing(): boolean {
    return workflowInfo().historyLength > 2 * (this.#suggestedAt ?? Infinity);
  }

  putOff(): void {
    this.#notBefore = workflowInfo().historyLength + Math.ceil((this.#suggestedAt ?? 0) / 32);
  }
}
