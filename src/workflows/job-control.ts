import { setHandler } from '@temporalio/workflow';
import { readItem, readReason, readSettings, refused } from '../control-message.js';
import type { ControlAnswer } from '../job.js';
import {
  cancelItemUpdate,
  pauseUpdate,
  resumeUpdate,
  setUpdate,
  stopSignal,
  stopUpdate,
} from '../messages.js';
import { type ItemControl, OVER } from './item-control.js';
import type { JobState } from './job-state.js';

/**
 * What operators ask of the job while it runs. All of it is answered and none of it throws; what is granted
 * is in the job's state, and so is carried along when the job continues as new.
 */
export class JobControl {
  /** Single items can be asked for once the input is open. */
  items: ItemControl | undefined;
  readonly #job: JobState;
  readonly #onChange: () => void;
  #over = false;

  /** Takes requests from now on. @param onChange called when something was granted. */
  constructor(job: JobState, onChange: () => void) {
    this.#job = job;
    this.#onChange = onChange;
    setHandler(stopSignal, (...messages: unknown[]) => void this.#stop(messages));
    setHandler(stopUpdate, (...messages: unknown[]) => this.#stop(messages));
    setHandler(setUpdate, (...messages: unknown[]) => this.#set(messages));
    setHandler(pauseUpdate, (...messages: unknown[]) => this.#pause(messages));
    setHandler(resumeUpdate, () => this.#resume());
    setHandler(cancelItemUpdate, (...messages: unknown[]) =>
      this.#ofItem(messages, (items, itemId) => items.cancel(itemId)),
    );
  }

  /** From here on nothing can be changed any more. */
  end(): void {
    this.#over = true;
    this.items?.end();
  }

  #stop(messages: unknown[]): ControlAnswer {
    return this.#granted(() => {
      this.#job.stop_reason ??= readReason(messages, 'stop requested');
    });
  }

  #set(messages: unknown[]): ControlAnswer {
    const read = readSettings(messages);
    if (!('asked' in read)) return read;
    const { max_concurrency, max_runtime_seconds } = read.asked;
    return this.#granted(({ settings }) => {
      if (max_concurrency !== undefined) settings.max_concurrency = max_concurrency;
      if (max_runtime_seconds !== undefined) {
        settings.limits = { ...settings.limits, max_runtime_seconds };
      }
    });
  }

  #pause(messages: unknown[]): ControlAnswer {
    if (this.#job.stop_reason !== null) return refused(STARTS_NO_MORE);
    return this.#granted((job) => {
      const since = new Date().toISOString();
      job.paused ??= { reason: readReason(messages, 'paused'), since, until: null };
    });
  }

  #resume(): ControlAnswer {
    if (this.#job.stop_reason !== null) return refused(STARTS_NO_MORE);
    return this.#granted((job) => {
      job.paused = null;
    });
  }

  async #ofItem(
    messages: unknown[],
    ask: (items: ItemControl, itemId: string) => Promise<ControlAnswer>,
  ): Promise<ControlAnswer> {
    const read = readItem(messages);
    if (!('asked' in read)) return read;
    if (this.#over) return refused(OVER);
    if (this.items === undefined) return refused('the job has not read its input yet: ask again');
    return ask(this.items, read.asked.item_id);
  }

  #granted(change: (job: JobState) => void): ControlAnswer {
    if (this.#over) return refused(OVER);
    change(this.#job);
    this.#onChange();
    return { accepted: true };
  }
}

const STARTS_NO_MORE = 'the job has been stopped: it starts no more rows';
