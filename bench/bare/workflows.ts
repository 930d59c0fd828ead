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

const { instant } = proxyActivities<{ instant(item: { workflow_id: string }): Promise<void> }>({
  taskQueue: 'bench-bare-agents',
  startToCloseTimeout: '1 minute',
});

/** @param external whether nobody works on the items but who reports. */
export async function bareParent(
  jobId: string,
  count: number,
  inFlight: number,
  external: boolean,
): Promise<void> {
  let running = 0;
  for (let row = 0; row < count; row += 1) {
    await condition(() => running < inFlight);
    running += 1;
    void startChild(bareChild, { workflowId: `${jobId}/${row}`, args: [external] })
      .then((child) => child.result())
      .then(() => (running -= 1));
  }
  await condition(() => running === 0);
}

export async function bareChild(external: boolean): Promise<unknown> {
  let result: unknown;
  setHandler(report, (reported) => void (result = reported));
  if (!external) await instant({ workflow_id: workflowInfo().workflowId });
  await condition(() => result !== undefined, '10 minutes');
  return result;
}
