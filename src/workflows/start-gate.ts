import type { Gate } from './admission.js';

/**
 * Items that are asked for at a time. The server starts the children of one workflow one after the other, and the
 * job's next workflow task waits behind them: behind 64, on a busy machine, for so long that it is taken from the
 * worker that knows the job, and the job is replayed.
 */
const MAX_STARTING = 32;

/**
 * Has items asked for in batches where the server has more to start than it gets through: after
 * {@link MAX_STARTING} at once, the next ones are asked for when all of these have started. If each that has started
 * made way for another, every workflow task would start one or two, and there would be more of them for as many items.
 */
export class StartGate implements Gate {
  readonly #starting: () => number;
  #full = false;

  /** @param starting items asked for that have not started yet. */
  constructor(starting: () => number) {
    this.#starting = starting;
  }

  room(): number {
    const starting = this.#starting();
    return this.#full && starting > 0 ? 0 : MAX_STARTING - starting;
  }

  started(): void {
    this.#full = this.#starting() >= MAX_STARTING;
  }
}
