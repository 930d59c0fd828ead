import type { Client } from '@temporalio/client';
import { itemOutcome } from '../item-outcome.js';
import type { Outcome } from '../job.js';

/** An item as it is waited for: pinned to its first run. */
export interface WatchedItem {
  workflowId: string;
  runId: string;
}

/** How an item ended; undefined where the server does not know it any more. */
export interface ItemEnd {
  outcome: Outcome | undefined;
}

interface Watch {
  /** Settles with the end, or with why it cannot be known now. */
  settled: Promise<unknown>;
  end?: ItemEnd;
  error?: unknown;
  readonly stop: AbortController;
  /** Who waits for it at the moment. */
  users: number;
  expiry?: NodeJS.Timeout;
}

/** A job asks again within moments, unless it has another worker ask, or has closed. */
const LINGER_MS = 15_000;

/**
 * Waits for items to close, on one long poll of the server for each, however often they are asked for:
 * a job asks for many at a time, and again for those that are left whenever one has ended.
 */
export class ItemWatch {
  readonly #client: Client;
  readonly #lingerMs: number;
  readonly #watches = new Map<string, Watch>();

  /** @param lingerMs how long an item is waited for after it was last asked for. */
  constructor(client: Client, lingerMs = LINGER_MS) {
    this.#client = client;
    this.#lingerMs = lingerMs;
  }

  /** Items that are waited for. */
  get size(): number {
    return this.#watches.size;
  }

  /**
   * Waits until one of the items has closed.
   * @returns the end of each that has closed by then, by its place in the list.
   * @throws the reason of the signal; what the server answers where none has closed.
   */
  async firstOf(items: WatchedItem[], signal: AbortSignal): Promise<Map<number, ItemEnd>> {
    const watches = items.map((item) => this.#watch(item));
    let cancelled: () => void;
    const cancellation = new Promise<void>((resolve) => {
      cancelled = resolve;
      signal.addEventListener('abort', cancelled);
    });
    try {
      signal.throwIfAborted();
      await Promise.race([...watches.map(({ settled }) => settled), cancellation]);
      signal.throwIfAborted();
      const ended = new Map<number, ItemEnd>();
      for (const [place, { end }] of watches.entries())
        if (end !== undefined) ended.set(place, end);
      if (ended.size === 0) throw watches.find(({ error }) => error !== undefined)!.error;
      return ended;
    } finally {
      signal.removeEventListener('abort', cancelled!);
      for (const [place, item] of items.entries()) this.#release(item, watches[place]!);
    }
  }

  #watch({ workflowId, runId }: WatchedItem): Watch {
    const key = keyOf({ workflowId, runId });
    let watch = this.#watches.get(key);
    if (watch === undefined) {
      const stop = new AbortController();
      const handle = this.#client.workflow.getHandle(workflowId, runId);
      const end = this.#client.connection.withAbortSignal(stop.signal, () => itemOutcome(handle));
      const started: Watch = {
        stop,
        users: 0,
        settled: end.then(
          (outcome) => (started.end = { outcome }),
          (error: unknown) => (started.error = error),
        ),
      };
      watch = started;
      this.#watches.set(key, watch);
    }
    clearTimeout(watch.expiry);
    watch.users += 1;
    return watch;
  }

  #release(item: WatchedItem, watch: Watch): void {
    const key = keyOf(item);
    watch.users -= 1;
    if (watch.end !== undefined || watch.error !== undefined) this.#forget(key, watch);
    else if (watch.users === 0) {
      watch.expiry = setTimeout(() => this.#forget(key, watch), this.#lingerMs).unref();
    }
  }

  #forget(key: string, watch: Watch): void {
    clearTimeout(watch.expiry);
    watch.stop.abort();
    if (this.#watches.get(key) === watch) this.#watches.delete(key);
  }
}

function keyOf({ workflowId, runId }: WatchedItem): string {
  return `${workflowId} ${runId}`;
}
