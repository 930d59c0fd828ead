/**
 * The agents of both, which start nothing: they report at once, or after the seconds that an item's ID names.
 * Argument: how many of each can run at once (default: 1000, which is what a job can have in flight).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { heartbeat } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { AgentActivities } from '../src/activities/contract.js';

/** As of an agent worker. */
const HEARTBEAT_MS = 5000;

// Ends with the bench, however that ends.
process.once('disconnect', () => process.exit(1));

const maxConcurrentActivityTaskExecutions = Number(process.argv[2] ?? 1000);
const address = process.env['TEMPORAL_ADDRESS']!;
const client = new Client({ connection: await Connection.connect({ address }) });
const signal = (workflowId: string, name: string, report: object) =>
  client.workflow.getHandle(workflowId).signal(name, report);

/** In place of an agent worker's, which starts a process. */
const runAgent: AgentActivities['runAgent'] = async ({ job_id, item_id, run }) => {
  const alive = setInterval(heartbeat, HEARTBEAT_MS);
  try {
    await delay(1000 * Number(item_id.split('_')[1]));
    const report = { result: 1, job_id, item_id, run };
    await signal(`${job_id}/${item_id}`, 'report_agent_job_result', report);
  } finally {
    clearInterval(alive);
  }
  return { kind: 'exited', exit_code: 0, signal: null, last_line: '' };
};

/** The bare minimum's. */
const agent = async ({ workflow_id, seconds }: { workflow_id: string; seconds: number }) => {
  await delay(1000 * seconds);
  await signal(workflow_id, 'report', { result: 1 });
};

const connection = await NativeConnection.connect({ address });
const workers = await Promise.all(
  [
    { taskQueue: 'bench-agents', activities: { runAgent } },
    { taskQueue: 'bench-bare-agents', activities: { agent } },
  ].map((worker) => Worker.create({ connection, maxConcurrentActivityTaskExecutions, ...worker })),
);
process.send?.('ready');
await Promise.all(workers.map((worker) => worker.run()));
