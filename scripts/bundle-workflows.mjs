// Bundles the compiled workflows, so that a worker starts without compiling anything.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

const { code } = await bundleWorkflowCode({
  workflowsPath: dist('workflows/index.js'),
  payloadConverterPath: dist('payload-converter.js'),
  // Loaded once per worker thread instead of once per workflow: they hold no state of a workflow, and
  // building their validators takes longer than all else that an item does.
  preloadModules: [
    dist('spec.js'),
    dist('control-message.js'),
    dist('schema.js'),
    dist('report-message.js'),
  ],
  logger: { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
});
await writeFile(dist('workflow-bundle.js'), code);
