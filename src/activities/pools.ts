import { Context } from '@temporalio/activity';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { POOL_WORKFLOW, poolAskSignal, poolWorkflowId } from '../messages.js';
import type { ControlActivities } from './contract.js';

/** What jobs and pools need of the server that workflow code cannot have. */
export function createPoolActivities(
  client: Client,
): Pick<ControlActivities, 'askPool' | 'awaitEnd'> {
  return {
    async askPool({ pool, ask }) {
      const { signaledRunId } = await client.workflow.signalWithStart(POOL_WORKFLOW, {
        workflowId: poolWorkflowId(pool),
        taskQueue: Context.current().info.taskQueue,
        signal: poolAskSignal,
        signalArgs: [ask],
        staticSummary: `pool ${pool}`,
      });
      return signaledRunId;
    },

    async awaitEnd({ workflow_id, run_id }) {
      const context = Context.current();
      try {
        await client.connection.withAbortSignal(context.cancellationSignal, () =>
          client.workflow.getHandle(workflow_id, run_id).result(),
        );
      } catch (error) {
        context.cancellationSignal.throwIfAborted();
        // However it has ended, or whether it ever was.
        if (!(error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError))
          throw error;
      }
    },
  };
}
