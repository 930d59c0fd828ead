/**
 * A Temporal activity as the agent: `{"activity": "triage", "task_queue": "ticket-triage"}`. It is
 * called once per row by a worker of your own, in any language of Temporal's; this one until Ctrl-C:
 *
 * `node --import tsx examples/own-activity.ts`
 */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { OwnActivityInput } from 'agent-jobs';

type Ticket = OwnActivityInput & { row: { text: string } };

/** What it returns is its report; one that takes long may send the signal itself, and go on. */
async function triage({ item_id, row: { text } }: Ticket): Promise<{ team: string }> {
  console.log(item_id);
  return { team: /invoice|payment|refund|charged/i.test(text) ? 'billing' : 'support' };
}

const { connectionOptions, namespace } = loadClientConnectConfig();
const connection = await NativeConnection.connect(connectionOptions);
const worker = await Worker.create({
  connection,
  namespace: namespace ?? 'default',
  taskQueue: 'ticket-triage',
  activities: { triage },
});
await worker.run();
await connection.close();
