/**
 * The bare minimum of what a job is: a parent that keeps children in flight, each with an activity, a
 * signal and a timer. Nothing is validated, and no result is kept.
 */
import {
  condition,
  defineSignal,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';

export const report = defineSignal<[unknown]>('report');

const { agent } = proxyActivities<{
  agent(item: { workflow_id: string; seconds: number }): Promise<void>;
}>({
  taskQueue: 'bench-bare-agents',
  startToCloseTimeout: '1 minute',
});

/**
 * @param seconds what the agents take, by turns; undefined where nobody works on the items but who reports.
 */
export async function bareParent(
  jobId: string,
  count: number,
  inFlight: number,
  seconds?: number[],
): Promise<void> {
  let running = 0;
  for (let row = 0; row < count; row += 1) {
    await condition(() => running < inFlight);
    running += 1;
    const args: [number | undefined] = [seconds?.[row % seconds.length]];
    void startChild(bareChild, { workflowId: `${jobId}/${row}`, args })
      .then((child) => child.result())
      .then(() => (running -= 1));
  }
  await condition(() => running === 0);
}

export async function bareChild(seconds?: number): Promise<unknown> {
  let result: unknown;
  setHandler(report, (reported) => void (result = reported));
  if (seconds !== undefined) await agent({ workflow_id: workflowInfo().workflowId, seconds });
  await condition(() => result !== undefined, '10 minutes');
  return result;
}
