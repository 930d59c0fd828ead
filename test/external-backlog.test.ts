/**
 * Many large reports that come while no worker runs: the job goes on afterwards, and no history grows
 * beyond its bounds. AGENT_JOBS_LONG=1 takes 1,000 items instead of 200.
 */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { after, before, it } from 'node:test';
import { ITEM_WORKFLOW, itemWorkflowId, progressQuery, reportSignal } from '../src/messages.js';
import { runsOf } from './support/chain.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, until } from './support/site.js';

const COUNT = process.env['AGENT_JOBS_LONG'] === '1' ? 1000 : 200;
/** The largest result that is taken by default: 256 KiB of JSON. */
const RESULT_BYTES = 262_144;
const REPORTERS = 16;
/** Of the server, for one history. */
const MAX_HISTORY_BYTES = 50_000_000;

let site: Site;
before(async () => (site = await Site.open({ onDisk: true })));
after(() => site.close());

const rows = rowsOf(COUNT, () => '');
const rowIds = Object.keys(rows);
const resultOf = (rowId: string) => rowId.padEnd(RESULT_BYTES - 2, '.');

it(`${COUNT} external items, each reported with 256 KiB while no worker runs`, async (t) => {
  const worker = await site.worker();
  const spec = await lightSpec(site, rows, {
    agent: { external: true },
    max_concurrency: COUNT,
    output_csv_path: `${site.folder}/out.jsonl`,
  });
  const job = await site.jobs.start(spec);
  const handle = site.client.workflow.getHandle(job.jobId);
  const query = `WorkflowType = '${ITEM_WORKFLOW}' AND WorkflowId STARTS_WITH '${job.jobId}/'`;
  await until(
    'all items run',
    async () =>
      (await handle.query(progressQuery)).running === COUNT &&
      (await site.client.workflow.count(query)).count === COUNT,
    120_000,
  );
  worker.shutdown();
  await worker.done;

  const waiting = [...rowIds];
  const report = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const item = site.client.workflow.getHandle(itemWorkflowId(job.jobId, id));
      await item.signal(reportSignal, { result: resultOf(id) });
    }
  };
  await Promise.all(Array.from({ length: REPORTERS }, report));

  const begun = Date.now();
  await site.worker();
  const { verdict, completed, output_csv_path } = await job.result();
  t.diagnostic(`${COUNT} items ended within ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  assert.deepEqual({ verdict, completed }, { verdict: 'succeeded', completed: COUNT });
  assert.ok((await stat(output_csv_path)).size > COUNT * RESULT_BYTES);
  const lines = (await readFile(output_csv_path, 'utf8')).trim().split('\n');
  assert.equal(lines.length, COUNT);
  for (const [n, line] of lines.entries()) {
    const { item_id, row_index, status, result } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(
      { item_id, row_index, status },
      { item_id: rowIds[n], row_index: n, status: 'completed' },
    );
    assert.ok(result === resultOf(rowIds[n]!), `the result of row ${n} is not the reported one`);
  }

  // Results travel by reference: none of them is in the history of the job.
  for (const runId of await runsOf(site.client, job.jobId)) {
    const { raw } = await site.client.workflow.getHandle(job.jobId, runId).describe();
    const bytes = Number(raw.workflowExecutionInfo?.historySizeBytes);
    t.diagnostic(`a run of the job: ${bytes} bytes of history`);
    assert.ok(bytes < MAX_HISTORY_BYTES / 10);
    assert.ok(bytes < COUNT * 4096);
  }
  const { historySize } = await site.client.workflow
    .getHandle(itemWorkflowId(job.jobId, rowIds[0]!))
    .describe();
  assert.ok(historySize! < 3 * RESULT_BYTES);
});
