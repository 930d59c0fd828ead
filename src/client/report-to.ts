import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { ReportAnswer } from '../job.js';
import { itemQuery, reportSignal, reportUpdate } from '../messages.js';
import { FAILED_PRECONDITION, type Refusal, refusal, untilPassedOn } from './passed-on.js';

/** gRPC: the workflow has had as many signals as the server takes. */
const INVALID_ARGUMENT = 3;
/** The server tells this refusal from others of its code by its words alone. */
const UPDATE_LIMIT = /total number of distinct updates/;
/** For which a workflow may be unready: its tasks fail, as they do in a flood of signals, and are tried again. */
const UNREADY_MS = 30_000;

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
  const deadline = Date.now() + UNREADY_MS;
  // One report, however often it is sent.
  const updateId = randomUUID();
  try {
    return await untilPassedOn(deadline, isUnready, () =>
      item.executeUpdate(reportUpdate, { args: [report], updateId }),
    );
  } catch (error) {
    if (refusal(error)?.code !== FAILED_PRECONDITION) throw error;
    return reportBySignal(item, report, deadline);
  }
}

async function reportBySignal(
  item: WorkflowHandle,
  report: object,
  deadline: number,
): Promise<ReportAnswer> {
  try {
    await item.signal(reportSignal, report);
  } catch (error) {
    if (refusal(error)?.code !== INVALID_ARGUMENT) throw error;
    const message =
      'the server takes no more reports for this item: it has had as many updates and signals as one ' +
      'workflow may get (by default 2,000 and 10,000). It ends at its deadline; retry it then';
    return { accepted: false, errors: [{ path: '', message }] };
  }
  const { reported, refused_reports } = await untilPassedOn(deadline, isUnready, () =>
    item.query(itemQuery),
  );
  if (reported) return { accepted: true };
  return { accepted: false, errors: [{ path: '', message: refused_reports.at(-1)?.errors ?? '' }] };
}

function isUnready({ code, details }: Refusal): boolean {
  return code === FAILED_PRECONDITION && !UPDATE_LIMIT.test(details);
}
