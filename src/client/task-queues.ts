import type { Client } from '@temporalio/client';
import { type AgentSpec, isProcess } from '../job.js';
import { agentTaskQueue } from '../messages.js';

/** As the server's API numbers them; the SDK does not export the names. */
const WORKFLOW_TASKS = 1;
const ACTIVITY_TASKS = 2;

/**
 * The task queues of a job that have no pollers at all. A queue that has some may be dead none the
 * less: the server forgets them minutes after they are gone.
 */
export async function unpolledQueues(
  client: Client,
  taskQueue: string,
  agent: AgentSpec | undefined,
): Promise<string[]> {
  const queues: [name: string, type: typeof WORKFLOW_TASKS | typeof ACTIVITY_TASKS][] = [
    [taskQueue, WORKFLOW_TASKS],
  ];
  if (agent !== undefined && isProcess(agent)) {
    queues.push([agentTaskQueue(taskQueue), ACTIVITY_TASKS]);
  }
  if (agent !== undefined && 'activity' in agent) queues.push([agent.task_queue, ACTIVITY_TASKS]);
  const polled = await Promise.all(
    queues.map(async ([name, taskQueueType]) => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace: client.options.namespace,
        taskQueue: { name },
        taskQueueType,
      });
      return (pollers ?? []).length > 0;
    }),
  );
  return queues.filter((_, index) => !polled[index]).map(([name]) => name);
}
