import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { ItemWatch } from '../src/activities/item-watch.js';
import { dataConverter } from '../src/data-converter.js';
import { Site, until } from './support/site.js';

/** Longer than a test, and short enough to wait for. */
const LINGER_MS = 10_000;

let site: Site;
let connection: Connection;
let watch: ItemWatch;
let polls = 0;
let answers = 0;
before(async () => {
  site = await Site.open();
  connection = await Connection.connect({ address: site.env.address });
  const service = connection.workflowService;
  const poll = service.getWorkflowExecutionHistory.bind(service);
  Object.assign(service, {
    getWorkflowExecutionHistory: async (request: Parameters<typeof poll>[0]) => {
      polls += 1;
      const answer = await poll(request);
      answers += 1;
      return answer;
    },
  });
  watch = new ItemWatch(new Client({ connection, dataConverter }), LINGER_MS);
});
after(async () => {
  await connection.close();
  await site.close();
});

const never = new AbortController().signal;

/** Workflows that nobody works on: they close as the test has it. */
async function start(...workflowIds: string[]) {
  const start = { taskQueue: 'nobody', args: [] };
  return Promise.all(
    workflowIds.map(async (workflowId) => {
      const handle = await site.client.workflow.start('any', { ...start, workflowId });
      return { workflowId, runId: handle.firstExecutionRunId, handle };
    }),
  );
}

it('tells which have closed, and goes on waiting for the others on the same polls', async () => {
  const items = await start('a', 'b', 'c');
  polls = 0;
  const first = watch.firstOf(items, never);
  await items[1]!.handle.terminate('by hand');
  const ended = await first;
  assert.deepEqual([...ended.keys()], [1]);
  assert.equal(ended.get(1)?.outcome?.status, 'cancelled');

  const left = [items[0]!, items[2]!];
  const second = watch.firstOf(left, never);
  assert.equal(polls, 3);
  await items[2]!.handle.terminate('by hand');
  assert.deepEqual([...(await second).keys()], [1]);
  assert.equal(polls, 3);

  assert.equal(watch.size, 1);
  await until('nobody waits for the last one any more', () => watch.size === 0);
});

it('takes along all that have closed meanwhile', async () => {
  const items = await start('d', 'e', 'f', 'g');
  const first = watch.firstOf(items, never);
  await items[0]!.handle.terminate('by hand');
  await first;
  answers = 0;
  await items[1]!.handle.terminate('by hand');
  await items[2]!.handle.terminate('by hand');
  await until('both are known', () => answers === 2);
  const ended = await watch.firstOf(items.slice(1), never);
  assert.deepEqual([...ended.keys()], [0, 1]);
});

it('tells of one that the server does not know', async () => {
  const [known] = await start('h');
  const unknown = { workflowId: 'nowhere', runId: known!.runId };
  const ended = await watch.firstOf([known!, unknown], never);
  assert.deepEqual([...ended], [[1, { outcome: undefined }]]);
});

it('ends when it is cancelled', async () => {
  const items = await start('i');
  const cancel = new AbortController();
  const waiting = watch.firstOf(items, cancel.signal);
  cancel.abort(new Error('cancelled'));
  await assert.rejects(waiting, /^Error: cancelled$/);
  await until('nobody waits any more', () => watch.size === 0);
});
