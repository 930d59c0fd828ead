// Bundles the compiled workflows, so that a worker starts without compiling anything.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

/** @param interceptors modules that are put around the workflows. */
async function bundle(name, interceptors) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: dist('workflows/index.js'),
    payloadConverterPath: dist('payload-converter.js'),
    failureConverterPath: dist('failure-converter.js'),
    workflowInterceptorModules: interceptors,
    // Loaded once per worker thread instead of once per workflow: no module holds the state of a workflow.
    preloadModules: [dist('workflows/index.js')],
    logger: { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
  });
  await writeFile(dist(name), code);
}

await Promise.all([
  bundle('workflow-bundle.js', []),
  bundle('workflow-bundle-traced.js', [dist('workflows/traced.js')]),
]);
