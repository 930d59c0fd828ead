import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

/** One rule of when rows may start. */
export interface Gate {
  /** How many more rows may start now, of `running` in flight; Infinity where it does not mind. */
  room(running: number, nowMs: number): number;
  /** While there is no room: when to look again even if nothing else happens, ms since the epoch. */
  readonly wakeAt?: number | undefined;
  /** A row has been started. */
  started?(nowMs: number): void;
  /** While there is no room: what rows wait for, for people. */
  readonly waitsFor?: string | undefined;
}

/**
 * Whether rows may start: where every gate has room. Of gates that say when to look again, one durable timer
 * at most is set, and only while a row waits for it.
 */
export class Admission {
  readonly #gates: readonly Gate[];
  readonly #onChange: () => void;
  #timer: { at: number; scope: CancellationScope } | undefined;

  /** @param onChange called when it is time to look again. */
  constructor(gates: readonly Gate[], onChange: () => void) {
    this.#gates = gates;
    this.#onChange = onChange;
  }

  hasRoom(running: number): boolean {
    const now = Date.now();
    return this.#gates.every((gate) => gate.room(running, now) >= 1);
  }

  started(): void {
    const now = Date.now();
    for (const gate of this.#gates) gate.started?.(now);
  }

  /** To be called where a row waits: it is looked at again when the gates say. */
  wait(running: number): void {
    const now = Date.now();
    const closed = this.#closed(running, now);
    const times = closed.map(({ wakeAt }) => wakeAt);
    // One that does not say opens by something that happens, and the others are looked at then.
    if (closed.length === 0 || times.includes(undefined)) return;
    this.#wakeAt(Math.max(...(times as number[])), now);
  }

  /** What rows wait for, for people. */
  waitsFor(running: number): string[] {
    const closed = this.#closed(running, Date.now());
    return closed.flatMap(({ waitsFor }) => (waitsFor === undefined ? [] : [waitsFor]));
  }

  #closed(running: number, now: number): Gate[] {
    return this.#gates.filter((gate) => gate.room(running, now) < 1);
  }

  #wakeAt(at: number, now: number): void {
    // One that goes off earlier has it looked at then.
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.scope.cancel();
    const timer = { at, scope: new CancellationScope() };
    this.#timer = timer;
    void timer.scope.run(() => this.#sleep(timer, Math.max(1, Math.ceil(at - now))));
  }

  async #sleep(timer: object, ms: number): Promise<void> {
    try {
      await sleep(ms);
      if (this.#timer === timer) this.#timer = undefined;
      this.#onChange();
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
  }
}
