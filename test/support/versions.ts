/** Worker deployment versions, as operators have them. */
import type { Client } from '@temporalio/client';
import { until } from './site.js';

const DEPLOYMENT = 'agent-jobs';
/** gRPC code. */
const FAILED_PRECONDITION = 9;

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
  // It may have heard of their workflows and not of their activities.
  await until(`${deploymentName}.${buildId} has all task queues`, () =>
    workflowService
      .setWorkerDeploymentCurrentVersion({ namespace, deploymentName, buildId })
      .then(() => true)
      .catch((error: { code?: number }) => {
        if (error.code !== FAILED_PRECONDITION) throw error;
        return false;
      }),
  );
}
