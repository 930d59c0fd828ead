/** What a caller sees of a server that is too slow. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { AgentJobs } from '../src/client.js';
import { dataConverter } from '../src/data-converter.js';
import { Site } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

const CODES = { RESOURCE_EXHAUSTED: 8, DEADLINE_EXCEEDED: 4 };
type Refusal = keyof typeof CODES;
type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];

/** Answers the first calls of one kind so, as the server itself would, one after the other. */
function refusing(method: string, answers: Refusal[]): Interceptor {
  return (options, nextCall) => {
    const call = nextCall(options) as ReturnType<Interceptor>;
    if (!options.method_definition.path.endsWith(`/${method}`)) return call;
    const start = call.start.bind(call);
    call.start = (metadata, listener) =>
      start(metadata, {
        ...listener,
        onReceiveStatus: (status) => {
          const answer = answers.shift();
          const details = 'context deadline exceeded';
          const refused = answer && { ...status, code: CODES[answer], details };
          listener?.onReceiveStatus?.(refused ?? status);
        },
      });
    return call;
  };
}

test('who waits for a job waits on, where the server was too slow over a part of the wait', async () => {
  const answers: Refusal[] = ['DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED'];
  const { address } = site.env;
  const interceptors = [refusing('GetWorkflowExecutionHistory', answers)];
  const connection = await Connection.connect({ address, interceptors });
  const client = new Client({ connection, dataConverter });
  const jobs = new AgentJobs({ client, taskQueue: site.taskQueue, store: site.storeFolder });

  const job = await jobs.start(await site.spec({ a: [['report', { n: 1 }]] }));
  assert.equal((await job.result()).verdict, 'succeeded');
  assert.equal(answers.length, 0);

  answers.push('DEADLINE_EXCEEDED');
  const states: string[] = [];
  for await (const { state } of job.watch()) states.push(state);
  assert.equal(states.at(-1), 'closed');
  assert.equal(answers.length, 0);
  await connection.close();
});

test('a deadline of the caller holds', async () => {
  const job = await site.jobs.start({
    ...{ csv_path: await site.file('deadline.csv', 'id\na\n'), instruction: 'x' },
    agent: { external: true },
  });
  const wait = site.client.withDeadline(Date.now() + 500, () => job.result());
  await assert.rejects(wait, ({ cause }: Error) => {
    assert.match(String(cause), /DEADLINE_EXCEEDED/);
    return true;
  });
  await job.cancel();
  await job.result();
});
