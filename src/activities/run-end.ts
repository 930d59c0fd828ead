import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { AgentProcess } from '../agent/agent-process.js';
import type { RunningAgent } from '../agent/running-agent.js';
import { WORKER_SHUTDOWN_FAILURE } from '../messages.js';
import type { RunReports } from '../report/run-reports.js';
import type { AgentRun } from './contract.js';
import { watchIdle } from './idle-watch.js';

/** Why a process of a run is over; `stays`: it goes on after its report. */
export type Why =
  'exited' | 'timed_out' | 'idle' | 'exhausted' | 'stays' | 'cancelled' | 'shut_down';

/** Waits until the agent has exited, or has to be ended. */
export async function endOfAgent(
  agent: RunningAgent,
  { limits }: AgentRun,
  reports: RunReports,
  drained: AbortSignal,
): Promise<Why> {
  const end = new End(drained);
  let stays: NodeJS.Timeout | undefined;
  const watch = watchIdle(agent, limits, reports, () => end.settle('idle'));
  try {
    void agent.exited.then(() => {
      watch?.close();
      end.settle('exited');
    });
    reports.onDelivered = () => {
      stays ??= setTimeout(() => end.settle('stays'), limits.exit_grace_seconds * 1000);
    };
    reports.onExhausted = () => end.settle('exhausted');
    const first = await end.within(limits.max_runtime_seconds, 'timed_out');
    if (first !== 'exited' || reports.reported || !(await agent.alive())) return first;
    // The agent left others behind, who may still report: they are given the grace.
    reports.onFirst = () => end.settle('exited');
    if (reports.reported) return first;
    return await end.within(limits.report_grace_seconds, 'exited');
  } finally {
    reports.onDelivered = undefined;
    watch?.close();
    clearTimeout(stays);
    end.close();
  }
}

/** Waits until a command beside the agent has exited, or has to be ended. */
export async function endOfCommand(
  command: AgentProcess,
  maxSeconds: number,
  drained: AbortSignal,
): Promise<Why> {
  const end = new End(drained);
  try {
    void command.exited.then(() => end.settle('exited'));
    return await end.within(maxSeconds, 'timed_out');
  } finally {
    end.close();
  }
}

/** What ends a process of a run beside itself: its activity's cancellation, its worker's end. */
class End {
  readonly #drained: AbortSignal;
  readonly #cancelled = Context.current().cancellationSignal;
  #settled: ((why: Why) => void) | undefined;
  /** What came while nobody waited. */
  #missed: Why | undefined;

  constructor(drained: AbortSignal) {
    this.#drained = drained;
    drained.addEventListener('abort', this.#onDrained);
    this.#cancelled.addEventListener('abort', this.#onCancel);
    if (this.#cancelled.aborted) this.#onCancel();
  }

  readonly settle = (why: Why): void => {
    if (this.#settled === undefined) this.#missed ??= why;
    else this.#settled(why);
  };

  /** @returns the first reason since the last one, or the other one after so long. */
  async within(seconds: number, otherwise: Why): Promise<Why> {
    if (this.#missed !== undefined) return this.#missed;
    const limit = setTimeout(() => this.settle(otherwise), seconds * 1000);
    try {
      return await new Promise<Why>((resolve) => (this.#settled = resolve));
    } finally {
      clearTimeout(limit);
      this.#settled = undefined;
    }
  }

  close(): void {
    this.#drained.removeEventListener('abort', this.#onDrained);
    this.#cancelled.removeEventListener('abort', this.#onCancel);
  }

  readonly #onDrained = () => this.settle('shut_down');
  readonly #onCancel = () => {
    // A worker that shuts down lets its agents finish, until it is drained.
    if (!isWorkerShutdown(this.#cancelled)) this.settle('cancelled');
    else if (this.#drained.aborted) this.settle('shut_down');
  };
}

/** Tells the server that this run came to nothing, through no fault of the agent. */
export function giveBack(why: Why): void {
  if (why === 'cancelled') throw Context.current().cancellationSignal.reason;
  if (why === 'shut_down') {
    throw ApplicationFailure.nonRetryable('the worker was shut down', WORKER_SHUTDOWN_FAILURE);
  }
}

function isWorkerShutdown(signal: AbortSignal): boolean {
  return signal.reason instanceof Error && signal.reason.message === 'WORKER_SHUTDOWN';
}
