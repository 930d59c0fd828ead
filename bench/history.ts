import type { Client } from '@temporalio/client';

/** What a job's own histories come to. */
export interface ParentHistory {
  runs: number;
  /** Of all runs. */
  events: number;
  /** Of the run that has the most. */
  longestEvents: number;
  longestMegabytes: number;
  /** The largest input with which it continued as new. */
  inputKilobytes: number;
}

const CLOSE_EVENT = 2;

/** Goes through the runs of a job while they come, without reading a history whole. */
export class HistoryWalk {
  readonly #client: Client;
  readonly #jobId: string;
  /** Of the runs that are over. */
  #closed: ParentHistory = {
    runs: 0,
    events: 0,
    longestEvents: 0,
    longestMegabytes: 0,
    inputKilobytes: 0,
  };
  /** The first run that was not yet over. */
  #runId: string | undefined;

  constructor(client: Client, jobId: string) {
    this.#client = client;
    this.#jobId = jobId;
  }

  /** All runs up to now. */
  async now(): Promise<ParentHistory> {
    this.#runId ??= await this.#firstRun();
    for (;;) {
      const { workflow } = this.#client;
      const run = await workflow.getHandle(this.#jobId, this.#runId).describe();
      const { runs, events, ...largest } = this.#closed;
      const upToThis = {
        runs: runs + 1,
        events: events + run.historyLength,
        longestEvents: Math.max(largest.longestEvents, run.historyLength),
        longestMegabytes: Math.max(largest.longestMegabytes, (run.historySize ?? 0) / 1e6),
        inputKilobytes: Math.max(
          largest.inputKilobytes,
          runs === 0 ? 0 : (await this.#inputBytes(this.#runId)) / 1000,
        ),
      };
      if (run.status.name !== 'CONTINUED_AS_NEW') return upToThis;
      this.#closed = upToThis;
      this.#runId = await this.#runAfter(this.#runId);
    }
  }

  async #firstRun(): Promise<string> {
    const { raw } = await this.#client.workflow.getHandle(this.#jobId).describe();
    return raw.workflowExecutionInfo!.firstRunId!;
  }

  async #inputBytes(runId: string): Promise<number> {
    const [started] = await this.#events(runId, { maximumPageSize: 1 });
    const payloads = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    return payloads.reduce((bytes, { data }) => bytes + (data?.length ?? 0), 0);
  }

  async #runAfter(runId: string): Promise<string> {
    const events = await this.#events(runId, { historyEventFilterType: CLOSE_EVENT });
    const next = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    if (!next) throw new Error(`${this.#jobId}: run ${runId} does not tell which one follows it`);
    return next;
  }

  async #events(
    runId: string,
    part: { maximumPageSize?: number; historyEventFilterType?: typeof CLOSE_EVENT },
  ) {
    const { history } = await this.#client.workflowService.getWorkflowExecutionHistory({
      namespace: this.#client.options.namespace,
      execution: { workflowId: this.#jobId, runId },
      ...part,
    });
    return history?.events ?? [];
  }
}
