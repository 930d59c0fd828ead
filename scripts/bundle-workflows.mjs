// Bundles the compiled workflows, so that a worker starts without compiling anything.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

// The second one is for workers that encrypt: the sandbox cannot ask which of them it is in.
const bundles = {
  'workflow-bundle.js': 'failure-converter.js',
  'encrypting-workflow-bundle.js': 'encoding-failure-converter.js',
};
for (const [file, failureConverter] of Object.entries(bundles)) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: dist('workflows/index.js'),
    payloadConverterPath: dist('payload-converter.js'),
    failureConverterPath: dist(failureConverter),
    // Loaded once per worker thread instead of once per workflow: no module holds the state of a workflow.
    preloadModules: [dist('workflows/index.js')],
    logger: { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
  });
  await writeFile(dist(file), code);
}
