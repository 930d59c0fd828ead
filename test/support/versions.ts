/** Worker deployment versions, as operators have them. */
import type { Client } from '@temporalio/client';
import { until } from './site.js';

const DEPLOYMENT = 'agent-jobs';

/** Arguments of a worker. */
export const version = (buildId: string, deploymentName = DEPLOYMENT) => [
  ...['--deployment-name', deploymentName],
  ...['--build-id', buildId],
];

/** Sends new jobs to a version, as soon as the server has heard of its workers. */
export async function makeCurrent(
  { workflowService, options: { namespace } }: Client,
  buildId: string,
  taskQueues: string[],
  deploymentName = DEPLOYMENT,
): Promise<void> {
  await until(`the server knows the workers of ${deploymentName}.${buildId}`, async () => {
    const known = await workflowService
      .describeWorkerDeploymentVersion({
        namespace,
        deploymentVersion: { deploymentName, buildId },
      })
      .catch(() => undefined);
    const polled = new Set(known?.versionTaskQueues.map(({ name }) => name));
    return taskQueues.every((queue) => polled.has(queue));
  });
  await workflowService.setWorkerDeploymentCurrentVersion({ namespace, deploymentName, buildId });
}
