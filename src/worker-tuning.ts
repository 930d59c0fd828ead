/** What operators may set of the SDK's workers, as the SDK takes it. docs/production.md says what each is for. */
import type { ResourceBasedTuner, WorkerOptions } from '@temporalio/worker';
import type { WorkerDeploymentVersion } from '@temporalio/common';

/** Of the workflows' part of a worker. Activities at once: enough for jobs, and for items that are adopted. */
const DEFAULT_ACTIVITY_SLOTS = 500;
/** Of what the host or container has, where the other of the two is set. */
const DEFAULT_TARGET_MEMORY_PERCENT = 80;
const DEFAULT_TARGET_CPU_PERCENT = 90;
/** What an agent takes shows only some time after its start: as many starts each second at most. */
const AGENT_RAMP_THROTTLE_MS = 250;
/** A poll that is always there, so that a queue is seen to be worked on. */
const LEAST_POLLERS = 2;

/** How a worker says what there is to say: for people, or as JSON objects, a line each. */
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface WorkerTuning {
  /** Workflows kept in memory. Default: by the SDK, some 600 for each GB of heap beyond the first 200 MB. */
  cachedWorkflows?: number | undefined;
  /** Activities of jobs at once (not agents): input, outcomes, output, and 32 adopted items each. Default: 500. */
  activitySlots?: number | undefined;
  /**
   * Polls of the server at once for each kind of task, as the server finds that there is work.
   * Default: ten at all times.
   */
  maxPollers?: number | undefined;
  /** Agents are started only while the host takes less, in percent. Default: whatever it takes, or 80 where CPU is set. */
  targetMemory?: number | undefined;
  /** The same of its processors. Default: whatever it takes, or 90 where memory is set. */
  targetCpu?: number | undefined;
  /** The version of this worker, where jobs are to end on the version that they began on. */
  version?: WorkerDeploymentVersion | undefined;
}

/** For workflows and the activities of jobs. */
export function workflowsTuning(tuning: WorkerTuning): Partial<WorkerOptions> {
  const { cachedWorkflows, activitySlots = DEFAULT_ACTIVITY_SLOTS } = tuning;
  return {
    ...both(tuning),
    maxConcurrentActivityTaskExecutions: activitySlots,
    ...(cachedWorkflows !== undefined && { maxCachedWorkflows: cachedWorkflows }),
  };
}

/** @param concurrency agents at once, at most. */
export function agentsTuning(tuning: WorkerTuning, concurrency: number): Partial<WorkerOptions> {
  return {
    ...both(tuning),
    ...(measured(tuning)
      ? { tuner: byResources(tuning, concurrency) }
      : { maxConcurrentActivityTaskExecutions: concurrency }),
  };
}

/** Whether agents are started by what the host has left. */
function measured({ targetMemory, targetCpu }: WorkerTuning): boolean {
  return targetMemory !== undefined || targetCpu !== undefined;
}

function byResources(
  {
    targetMemory = DEFAULT_TARGET_MEMORY_PERCENT,
    targetCpu = DEFAULT_TARGET_CPU_PERCENT,
  }: WorkerTuning,
  concurrency: number,
): ResourceBasedTuner {
  return {
    tunerOptions: { targetMemoryUsage: targetMemory / 100, targetCpuUsage: targetCpu / 100 },
    activityTaskSlotOptions: {
      minimumSlots: 1,
      maximumSlots: concurrency,
      rampThrottle: AGENT_RAMP_THROTTLE_MS,
    },
  };
}

function both({ maxPollers, version }: WorkerTuning): Partial<WorkerOptions> {
  return {
    ...(maxPollers !== undefined && {
      workflowTaskPollerBehavior: pollers(maxPollers),
      activityTaskPollerBehavior: pollers(maxPollers),
    }),
    ...(version !== undefined && {
      workerDeploymentOptions: {
        version,
        useWorkerVersioning: true,
        // Jobs and items alike: they share the state that they hand to each other.
        defaultVersioningBehavior: 'PINNED',
      },
    }),
  };
}

function pollers(maximum: number): NonNullable<WorkerOptions['activityTaskPollerBehavior']> {
  return {
    type: 'autoscaling',
    minimum: LEAST_POLLERS,
    initial: Math.min(5, maximum),
    maximum,
  };
}
