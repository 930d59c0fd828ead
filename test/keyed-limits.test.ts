/** No more rows at once of one value of a column than its limit; rows of other values are not held up. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import type { JobHandle, JobSpec } from '../src/client.js';
import { itemsOf, mostInFlight, runsOf } from './support/chain.js';
import { cli } from './support/cli.js';
import { LIGHT_AGENT } from './support/light-agent.js';
import { Site, readOutput, statusOf, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  await site.worker({ concurrency: 32 });
});
after(() => site.close());

type Cells = { id: string; account: string; [column: string]: string };

async function jobOf(rows: Cells[], spec: Partial<JobSpec>, jobId?: string): Promise<JobHandle> {
  const name = `keyed-${Math.random().toString(36).slice(2, 10)}.csv`;
  const input: JobSpec = {
    csv_path: await site.file(name, stringify(rows, { header: true })),
    instruction: '{id}',
    id_column: 'id',
    agent: { external: true },
    keyed_limits: { account: 2 },
    ...spec,
  };
  return site.jobs.start(input, jobId === undefined ? {} : { jobId });
}

/** `<account><number>` of each account. */
const rowsOf = (account: string, count: number): Cells[] =>
  Array.from({ length: count }, (_, n) => ({ id: `${account}${n}`, account }));

const report = (job: JobHandle, id: string) =>
  until(`${id} is reported`, async () => {
    const answer = await site.jobs.report({ job_id: job.jobId, item_id: id, result: id });
    return answer.accepted;
  });

async function runningIds(job: JobHandle): Promise<string[]> {
  const ids: string[] = [];
  for await (const { item_id } of job.items('running')) ids.push(item_id);
  return ids;
}

const run = (job: JobHandle, ids: string[]) =>
  until(`${ids.join(' ')} run`, async () => {
    const running = await runningIds(job);
    // One that is asked for counts before the server lists it.
    const { running: count } = await job.status();
    return count === ids.length && running.sort().join() === ids.toSorted().join();
  });

async function renewed(job: JobHandle): Promise<void> {
  const before = (await runsOf(site.client, job.jobId)).length;
  await until('it continues as new', async () => {
    await job.set({ max_concurrency: 10 });
    return (await runsOf(site.client, job.jobId)).length > before;
  });
}

async function end(job: JobHandle): Promise<void> {
  await job.cancel();
  await job.result();
}

describe('limits by key', { concurrency: 4 }, () => {
  it('hold for each value, with a saturated one in front, and the others go on', async () => {
    const others = Array.from({ length: 10 }, (_, n) => rowsOf(`b${n}-`, 3)).flat();
    const rows = [...rowsOf('a', 20), ...others].map((cells) => ({
      ...cells,
      shell: `sleep 0.1; report '"${cells.id}"'`,
    }));
    const job = await jobOf(rows, {
      agent: { command: LIGHT_AGENT },
      instruction: '{shell}',
      max_concurrency: 10,
    });
    const { verdict, output_csv_path } = await job.result();
    assert.equal(verdict, 'succeeded');
    assert.deepEqual(
      (await readOutput(output_csv_path)).map(({ id, result_json }) => [id, result_json]),
      rows.map(({ id }) => [id, `"${id}"`]),
    );
    const items = await itemsOf(site.client, job.jobId);
    assert.equal(items.length, rows.length);
    const accounts = new Map<string, typeof items>();
    for (const item of items) {
      const { account } = rows[Number(item.memo!['row_index'])]!;
      accounts.set(account, [...(accounts.get(account) ?? []), item]);
    }
    for (const [account, own] of accounts) {
      assert.ok(mostInFlight(own) <= 2, `${mostInFlight(own)} of ${account} in flight`);
    }
    assert.ok(mostInFlight(items) > 4, `${mostInFlight(items)} in flight`);
    const startOf = (id: string) =>
      items.find(({ workflowId }) => workflowId.endsWith(`/${id}`))!.startTime;
    assert.ok(startOf('b0-0') < startOf('a2'));
    assert.ok((await runsOf(site.client, job.jobId)).length > 2);
  });

  it('know what is in flight, passed over and to be started again from one run to the next', async () => {
    const job = await jobOf([...rowsOf('a', 6), ...rowsOf('b', 3)], { max_concurrency: 10 });
    await run(job, ['a0', 'a1', 'b0', 'b1']);
    assert.equal((await statusOf(job)).waiting_for, 'limit account=2 (5 rows)');
    await renewed(job);
    await run(job, ['a0', 'a1', 'b0', 'b1']);
    await report(job, 'a0');
    await run(job, ['a1', 'a2', 'b0', 'b1']);
    // Those passed over can be cancelled, and have not ended before they have started.
    await assert.rejects(job.retryItem('a3'), /a3 has not been started yet/);
    await job.cancelItem('a3');
    await assert.rejects(job.cancelItem('a3'), /has ended already/);
    await report(job, 'a1');
    await run(job, ['a2', 'a4', 'b0', 'b1']);
    // One that is started again waits for its turn as the others do.
    await job.retryItem('a0');
    await renewed(job);
    await run(job, ['a2', 'a4', 'b0', 'b1']);
    // A slot of another value is not for it.
    await report(job, 'b0');
    await run(job, ['a2', 'a4', 'b1', 'b2']);
    await job.cancelItem('a2');
    await run(job, ['a0', 'a4', 'b1', 'b2']);
    await site.client.workflow.getHandle(`${job.jobId}/a4`).terminate();
    await run(job, ['a0', 'a5', 'b1', 'b2']);
    for (const id of ['a0', 'a5', 'b1', 'b2']) await report(job, id);
    const { verdict, completed, cancelled, output_csv_path } = await job.result();
    assert.deepEqual([verdict, completed, cancelled], ['partial', 6, 3]);
    const output = await readOutput(output_csv_path);
    assert.deepEqual(
      output.filter(({ status }) => status === 'cancelled').map(({ id }) => id),
      ['a2', 'a3', 'a4'],
    );
  });

  it('have the job wait once 1,000 rows are passed over', async () => {
    const job = await jobOf([...rowsOf('a', 1004), ...rowsOf('b', 1)], {
      keyed_limits: { account: 1 },
      max_concurrency: 10,
    });
    for (const id of ['a0', 'a1', 'a2']) {
      await run(job, [id]);
      const full = 'limit account=1 (1000 rows, no more are passed over)';
      await until(full, async () => (await job.status()).waiting_for === full);
      await report(job, id);
    }
    await run(job, ['a3', 'b0']);
    await renewed(job);
    const { events } = await site.client.workflow.getHandle(job.jobId).fetchHistory();
    const carried = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads!;
    const bytes = carried.reduce((sum, { data }) => sum + data!.length, 0);
    assert.ok(bytes < 10_000, `${bytes} bytes`);
    await end(job);
  });

  it('hold for each of several columns, and an empty cell is a value, too', async () => {
    const row = (id: string, account: string, host: string) => ({ id, account, host });
    const rows = [
      row('1', 'x', 'p'),
      row('2', 'x', 'q'),
      row('3', 'y', 'p'),
      row('4', 'y', 'q'),
      row('5', '', 'r'),
      row('6', '', 's'),
    ];
    const job = await jobOf(rows, { keyed_limits: { account: 1, host: 1 }, max_concurrency: 10 });
    await run(job, ['1', '4', '5']);
    await report(job, '1');
    // Neither of them fits beside 4.
    await report(job, '5');
    await run(job, ['4', '6']);
    await report(job, '4');
    await run(job, ['2', '3', '6']);
    await end(job);
  });

  it('tell the workflow nothing of the cells', async () => {
    const job = await jobOf(rowsOf('secret-account', 3), {
      instruction: 'x',
      id_column: undefined,
    });
    await until('two run', async () => (await job.status()).running === 2);
    const { events } = await site.client.workflow.getHandle(job.jobId).fetchHistory();
    const payloads = [...JSON.stringify(events).matchAll(/"data":"([^"]*)"/g)].map(([, data]) =>
      Buffer.from(data!, 'base64').toString(),
    );
    assert.ok(payloads.some((text) => text.includes('keyed_limits')));
    assert.deepEqual(
      payloads.filter((text) => text.includes('secret-account')),
      [],
    );
    await end(job);
  });

  it('are refused where there is no such column, and where they are no limits', async () => {
    const rows = rowsOf('a', 2);
    const job = await jobOf(rows, { keyed_limits: { acount: 2 } });
    await assert.rejects(
      job.result(),
      /has no column "acount" to limit rows by; its columns are id, account$/,
    );
    for (const limit of [0, 1001, 1.5]) {
      await assert.rejects(
        jobOf(rows, { keyed_limits: { account: limit } }),
        /keyed_limits.account/,
      );
    }
    const many = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, 1]));
    await assert.rejects(jobOf(rows, { keyed_limits: many }), /takes 5 columns at most/);
    const input = await site.file('limits.csv', 'id,account\n1,a\n');
    const typed = async (...limits: string[]) => {
      const options = limits.flatMap((limit) => ['--limit', limit]);
      const args = ['run', input, '--instruction', 'x', '--external', '--detach', ...options];
      return (await cli(args, { env: site.processEnv })).stderr;
    };
    assert.match(await typed('account'), /must be COLUMN=N, as account=4/);
    assert.match(await typed('account=1', 'account=2'), /account is given twice/);
    assert.match(await typed('nobody=1'), /has no column "nobody" to limit rows by/);
    assert.match(await typed('account=0'), /--limit/);
  });

  it('are given on the command line, one by one', async () => {
    const input = await site.file('typed.csv', 'id,a=b,c\n1,x,y\n2,x,z\n');
    const options = ['--external', '--detach', '--job-id', 'typed', '--limit', 'a=b=1'];
    const args = ['run', input, '--instruction', 'x', ...options, '--limit', 'c=2'];
    const { code, stderr } = await cli(args, { env: site.processEnv });
    assert.equal(code, 0, stderr);
    const job = site.jobs.job('typed');
    await run(job, ['row-1']);
    const shown = await cli(['status', 'typed'], { env: site.processEnv });
    assert.match(shown.stdout, /waiting +for limit a=b=1, c=2 \(1 row\)/);
    await end(job);
  });
});
