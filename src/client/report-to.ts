import { type Client, type WorkflowHandle, isGrpcServiceError } from '@temporalio/client';
import type { ReportAnswer } from '../job.js';
import { itemQuery, reportSignal, reportUpdate } from '../messages.js';

/** gRPC: the workflow has had as many updates, or signals, as the server takes. */
const FAILED_PRECONDITION = 9;
const INVALID_ARGUMENT = 3;

/**
 * Reports to an item and tells what it answered. Where the server takes no more updates for it (2,000 by
 * default), the report goes as a signal, of which it takes more.
 * @throws what the client throws, `WorkflowNotFoundError` where the item has ended among it.
 */
export async function reportTo(
  client: Client,
  workflowId: string,
  report: object,
): Promise<ReportAnswer> {
  const item = client.workflow.getHandle(workflowId);
  try {
    return await item.executeUpdate(reportUpdate, { args: [report] });
  } catch (error) {
    if (codeOf(error) !== FAILED_PRECONDITION) throw error;
    return reportBySignal(item, report);
  }
}

async function reportBySignal(item: WorkflowHandle, report: object): Promise<ReportAnswer> {
  try {
    await item.signal(reportSignal, report);
  } catch (error) {
    if (codeOf(error) !== INVALID_ARGUMENT) throw error;
    const message =
      'the server takes no more reports for this item: it has had as many updates and signals as one ' +
      'workflow may get (by default 2,000 and 10,000). It ends at its deadline; retry it then';
    return { accepted: false, errors: [{ path: '', message }] };
  }
  const { reported, refused_reports } = await item.query(itemQuery);
  if (reported) return { accepted: true };
  return { accepted: false, errors: [{ path: '', message: refused_reports.at(-1)?.errors ?? '' }] };
}

function codeOf(error: unknown): number | undefined {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return isGrpcServiceError(cause) ? cause.code : undefined;
}
