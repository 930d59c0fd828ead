import { condition } from '@temporalio/workflow';
import { isHeartbeat } from '../heartbeat-message.js';
import type { ItemLimits } from '../job.js';
import { heartbeatSignal } from '../messages.js';
import type { AttemptEnd } from './attempt-end.js';
import { onSignal } from './on-signal.js';

/** The signs of life of an external agent, and the wait for its report. */
export class ExternalWait {
  #lastSignMs = Date.now();
  readonly #limits: ItemLimits;

  /** Takes heartbeats from now on. */
  constructor(
    item: { job_id: string; item_id: string },
    limits: ItemLimits,
    currentRun: () => number,
  ) {
    this.#limits = limits;
    onSignal(heartbeatSignal, (...messages: unknown[]) => {
      if (isHeartbeat(messages, { ...item, run: currentRun() })) this.sign();
    });
  }

  /** Something has come of the agent. */
  sign(): void {
    this.#lastSignMs = Date.now();
  }

  /** As the `item` query has it. */
  get view(): { heartbeat_seconds?: number; last_heartbeat?: string } {
    const { heartbeat_seconds } = this.#limits;
    if (heartbeat_seconds === undefined) return {};
    return { heartbeat_seconds, last_heartbeat: new Date(this.#lastSignMs).toISOString() };
  }

  /**
   * Waits for a report until the deadline, or until the agent has been silent for too long. There is one timer at a
   * time: a heartbeat starts none, the one that is over sees how far the last has put it off.
   * @returns what the attempt comes to if no report is there.
   */
  async forReport(reported: () => boolean): Promise<AttemptEnd> {
    const { max_runtime_seconds, heartbeat_seconds } = this.#limits;
    const start = Date.now();
    const deadline = start + max_runtime_seconds * 1000;
    this.sign();
    const silentAt = () =>
      heartbeat_seconds === undefined ? Infinity : this.#lastSignMs + heartbeat_seconds * 1000;
    for (let now = start; ; now = Date.now()) {
      if (now >= deadline) break;
      if (now >= silentAt()) {
        return { reason: 'timed_out', error: `no heartbeat for ${heartbeat_seconds} s` };
      }
      if (await condition(reported, Math.min(deadline, silentAt()) - now)) break;
    }
    return { reason: 'timed_out', error: `no report within ${max_runtime_seconds} s` };
  }
}
