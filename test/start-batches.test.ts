/** How a job asks for its items, by the server's account: not for more at a time than the server gets through. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { StartGate } from '../src/workflows/start-gate.js';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { Site, until } from './support/site.js';

const COUNT = 300;
const MAX_STARTING = 32;

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

it('asks for the next items when all of a full batch have started', async () => {
  const rows = rowsOf(COUNT, () => '');
  const spec = { agent: { external: true }, max_concurrency: COUNT } as const;
  const job = await site.jobs.start(await lightSpec(site, rows, spec));
  await until('all run', async () => (await job.status()).running === COUNT);

  const { events } = await site.client.workflow.getHandle(job.jobId).fetchHistory();
  let asked = 0;
  let starting = 0;
  let full = false;
  let batches = 0;
  for (const event of events ?? []) {
    if (event.childWorkflowExecutionStartedEventAttributes) starting -= 1;
    if (!event.startChildWorkflowExecutionInitiatedEventAttributes) continue;
    assert.ok(!full || starting === 0, `item ${asked} is asked for while ${starting} start`);
    asked += 1;
    starting += 1;
    full = starting >= MAX_STARTING;
    if (full) batches += 1;
    assert.ok(starting <= MAX_STARTING, `${starting} are asked for and have not started`);
  }
  await job.cancel();
  assert.equal(asked, COUNT);
  assert.ok(batches > 0);
});

it('waits for a full batch only', () => {
  let starting = 0;
  const gate = new StartGate(() => starting);
  const start = (count: number) => {
    for (let n = 0; n < count; n += 1) {
      starting += 1;
      gate.started();
    }
  };
  start(MAX_STARTING - 1);
  assert.equal(gate.room(), 1);
  starting -= 3;
  assert.equal(gate.room(), 4);
  start(4);
  assert.equal(gate.room(), 0);
  starting = 1;
  assert.equal(gate.room(), 0);
  starting = 0;
  assert.equal(gate.room(), MAX_STARTING);
  start(2);
  assert.equal(gate.room(), MAX_STARTING - 2);
});
