/** Runs the bare minimum's workflows until it is killed. */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker, bundleWorkflowCode } from '@temporalio/worker';

// Ends with the bench, however that ends.
process.once('disconnect', () => process.exit(1));

const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));
const connection = await NativeConnection.connect({ address: process.env['TEMPORAL_ADDRESS']! });
const worker = await Worker.create({
  connection,
  taskQueue: 'bench-bare',
  workflowBundle: await bundleWorkflowCode({ workflowsPath }),
  // As ours.
  maxConcurrentActivityTaskExecutions: 500,
  stickyQueueScheduleToStartTimeout: '2 s',
});
process.send?.('ready');
await worker.run();
