import type { UpdateDefinition } from '@temporalio/common';
import { condition, setHandler } from '@temporalio/workflow';
import { RequestRefused, readChange, readItemId, readReason } from '../control-message.js';
import type { ControlAnswer, SettingsChange } from '../job.js';
import { livenessProblem } from '../liveness.js';
import {
  cancelItemUpdate,
  pauseUpdate,
  resumeUpdate,
  retryItemUpdate,
  setUpdate,
  stopSignal,
  stopUpdate,
} from '../messages.js';
import { budgetProblem } from '../spec.js';
import { type ItemControl, OVER } from './item-control.js';
import { type JobState, startsNoMore } from './job-state.js';
import { onSignal } from './on-signal.js';
import { endQuotaPause, quotaPause } from './quota-breaker.js';
import { changeRate } from './rate-gate.js';
import { intolerable } from './tolerance.js';

type Messages = unknown[];
type Update = UpdateDefinition<ControlAnswer, [unknown]>;

/**
 * What operators ask of the job while it runs. What cannot be read, or not be granted any more, is refused
 * by validators, before it is in the history. What is granted is in the job's state, and so is carried along
 * when the job continues as new.
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
    const runs = () => this.#mustRun();
    const startsRows = () => this.#mustStartRows();
    const ofItem = (messages: Messages) => {
      this.#mustRun();
      readItemId(messages);
    };
    onSignal(stopSignal, (...messages) => void this.#stop(messages));
    onUpdate(stopUpdate, runs, (messages) => this.#stop(messages));
    onUpdate(
      setUpdate,
      (messages) => {
        this.#mustRun();
        const change = readChange(messages);
        const problem = budgetProblem(change, this.#job.settings.tells);
        if (problem !== undefined) throw new RequestRefused(problem);
        this.#mustLeaveHeartbeats(change);
      },
      (messages) => this.#set(readChange(messages)),
    );
    onUpdate(pauseUpdate, startsRows, (messages) => this.#pause(messages));
    onUpdate(resumeUpdate, startsRows, () => this.#resume());
    onUpdate(cancelItemUpdate, ofItem, (messages) =>
      this.#ofItem(messages, (items, itemId) => items.cancel(itemId)),
    );
    onUpdate(retryItemUpdate, ofItem, (messages) =>
      this.#ofItem(messages, (items, itemId) => items.retry(itemId)),
    );
  }

  /** From here on nothing can be changed any more. */
  end(): void {
    this.#over = true;
    this.items?.end();
  }

  #mustRun(): void {
    if (this.#over) throw new RequestRefused(OVER);
  }

  #mustStartRows(): void {
    this.#mustRun();
    const why = startsNoMore(this.#job);
    if (why !== null) throw new RequestRefused(why);
  }

  /** Rows that may take longer must not get more heartbeats than the server takes. */
  #mustLeaveHeartbeats({ max_runtime_seconds }: SettingsChange): void {
    const { agent, limits } = this.#job.settings;
    if (max_runtime_seconds === undefined) return;
    const problem = livenessProblem(agent.kind, { ...limits, max_runtime_seconds });
    if (problem !== undefined) throw new RequestRefused(problem);
  }

  #stop(messages: Messages): ControlAnswer {
    return this.#grant((job) => {
      job.stop_reason ??= readReason(messages, 'stop requested');
    });
  }

  #set({
    max_runtime_seconds,
    rate,
    max_cost_usd,
    max_tokens,
    ...others
  }: SettingsChange): ControlAnswer {
    return this.#grant((job) => {
      const { settings } = job;
      const given = Object.entries(others).filter(([, value]) => value !== undefined);
      Object.assign(settings, Object.fromEntries(given));
      if (max_runtime_seconds !== undefined) {
        settings.limits = { ...settings.limits, max_runtime_seconds };
      }
      if (max_cost_usd !== undefined) settings.budget = { ...settings.budget, max_cost_usd };
      if (max_tokens !== undefined) settings.budget = { ...settings.budget, max_tokens };
      if (rate !== undefined) changeRate(job, rate, Date.now());
      if (isOfTolerance(others)) job.halt_reason = intolerable(job, settings);
    });
  }

  #pause(messages: Messages): ControlAnswer {
    return this.#grant((job) => {
      const since = new Date().toISOString();
      job.paused ??= { reason: readReason(messages, 'paused'), since, until: null };
    });
  }

  #resume(): ControlAnswer {
    return this.#grant((job) => {
      // A sample that has not ended is not waited for any more, unless it was something else.
      if (job.paused === null && quotaPause(job, Date.now()) === null) delete job.settings.sample;
      job.paused = null;
      endQuotaPause(job);
    });
  }

  async #ofItem(
    messages: Messages,
    ask: (items: ItemControl, itemId: string) => Promise<ControlAnswer>,
  ): Promise<ControlAnswer> {
    // A run that continues another one may be asked before it has taken over.
    await condition(() => this.items !== undefined);
    return ask(this.items!, readItemId(messages));
  }

  #grant(change: (job: JobState) => void): ControlAnswer {
    change(this.#job);
    this.#onChange();
    return { accepted: true };
  }
}

function isOfTolerance(change: SettingsChange): boolean {
  const { tolerated_failures, tolerated_failure_percentage } = change;
  return tolerated_failures !== undefined || tolerated_failure_percentage !== undefined;
}

/** @param validate throws where the request is refused. */
function onUpdate(
  update: Update,
  validate: (messages: Messages) => void,
  handle: (messages: Messages) => ControlAnswer | Promise<ControlAnswer>,
): void {
  setHandler<ControlAnswer, [unknown], Update>(update, (...messages) => handle(messages), {
    validator: (...messages) => validate(messages),
  });
}
