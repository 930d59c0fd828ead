/** The agents of both: activities that report at once, or after the seconds that their prompt names. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';

const address = process.env['TEMPORAL_ADDRESS']!;
const client = new Client({ connection: await Connection.connect({ address }) });
const signal = (workflowId: string, name: string, report: object) =>
  client.workflow.getHandle(workflowId).signal(name, report);

interface Item {
  job_id: string;
  item_id: string;
  prompt: string;
}

const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue: 'bench-activities',
  maxConcurrentActivityTaskExecutions: 1000,
  activities: {
    /** The bare minimum's. */
    instant: ({ workflow_id }: { workflow_id: string }) =>
      signal(workflow_id, 'report', { result: 1 }),
    agent: async ({ job_id, item_id, prompt }: Item) => {
      await delay(1000 * Number(prompt));
      await signal(`${job_id}/${item_id}`, 'report_agent_job_result', { result: 1 });
    },
  },
});
process.send?.('ready');
await worker.run();
