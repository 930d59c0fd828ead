/** `agent-jobs mcp`, spoken to by the protocol's own client. */
import assert from 'node:assert/strict';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import type { Json } from '../src/job.js';
import { type JobAnswer, McpClient, type McpOptions } from './support/mcp.js';
import { AGENT, Site, type Step, readOutput, until } from './support/site.js';

interface ResultsAnswer {
  job_id: string;
  status: string;
  total_items: number;
  rows: {
    item_id: string;
    row_index: number;
    source_id: string | null;
    status: string;
    result: Json;
    result_bytes?: number;
    last_error: string | null;
  }[];
  next_from: number | null;
}

let site: Site;
let env: NodeJS.ProcessEnv;
let mcp: McpClient;
const clients: McpClient[] = [];
before(async () => {
  site = await Site.open();
  await site.worker();
  env = { ...site.processEnv, XDG_STATE_HOME: join(site.folder, 'state') };
  delete env['AGENT_JOBS_JOB_ID'];
  mcp = await connect();
});
after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await site.close();
});

async function connect(options: Partial<McpOptions> = {}): Promise<McpClient> {
  const client = await McpClient.connect({ env, cwd: site.folder, ...options });
  clients.push(client);
  return client;
}

/** Arguments of a spawn over rows of steps: columns `id` and `steps`. */
async function rowsOf(rows: Record<string, Step[]>, folder = site.folder) {
  const cells = Object.entries(rows).map(([id, steps]) => [id, JSON.stringify(steps)]);
  const name = `in-${Math.random().toString(36).slice(2, 10)}.csv`;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), stringify([['id', 'steps'], ...cells]));
  return { csv_path: name, instruction: '{steps}', id_column: 'id', agent: AGENT };
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

test('the four tools are there, each with the shape of its answer', async () => {
  const { tools } = await mcp.client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['spawn_agents_on_csv', 'get_agent_job', 'get_agent_job_results', 'stop_agent_job'],
  );
  assert.deepEqual(Object.keys(tools[0]!.inputSchema.properties!), [
    ...['csv_path', 'instruction', 'id_column', 'output_csv_path', 'output_schema'],
    ...['max_concurrency', 'max_workers', 'max_runtime_seconds', 'agent', 'wait_seconds'],
  ]);
  assert.deepEqual(tools[0]!.inputSchema.required, ['csv_path', 'instruction']);
  assert.ok(tools.every(({ outputSchema }) => outputSchema?.type === 'object'));
});

test('a job that succeeds is answered in the shape of the tool that Codex had', async () => {
  const rows = await rowsOf({ a: [['report', { n: 1 }]], b: [['report', { n: 2 }]] });
  const answer = await mcp.call('spawn_agents_on_csv', {
    ...rows,
    output_csv_path: 'out/labels.csv',
    output_schema: { type: 'object', required: ['n'] },
    max_runtime_seconds: 60,
    max_concurrency: null,
  });
  assert.deepEqual(answer, {
    job_id: answer.job_id,
    status: 'completed',
    output_csv_path: join(site.folder, 'out/labels.csv'),
    total_items: 2,
    completed_items: 2,
    failed_items: 0,
    job_error: null,
    failed_item_errors: null,
  });
  const output = await readOutput(answer.output_csv_path);
  assert.deepEqual(
    output.map(({ id, result_json }) => [id, result_json]),
    [
      ['a', '{"n":1}'],
      ['b', '{"n":2}'],
    ],
  );
});

test('a job in which rows failed is partial, and one without a completed row is failed', async () => {
  const rows = await rowsOf({ a: [['report', 1]], b: [], c: [['exit', 3]] });
  const partial = await mcp.call('spawn_agents_on_csv', rows);
  assert.deepEqual(
    [partial.status, partial.completed_items, partial.failed_items],
    ['partial', 1, 2],
  );
  const errors = partial.failed_item_errors!.toSorted((a, b) => a.item_id.localeCompare(b.item_id));
  assert.deepEqual(
    errors.map(({ item_id, source_id }) => [item_id, source_id]),
    [
      ['b', 'b'],
      ['c', 'c'],
    ],
  );
  assert.match(errors[0]!.last_error, /^no_report: /);
  assert.match(errors[1]!.last_error, /^agent_error: /);

  const { id_column: _, ...none } = await rowsOf({ a: [] });
  const failed = await mcp.call('spawn_agents_on_csv', none);
  assert.equal(failed.status, 'failed');
  assert.equal(failed.failed_item_errors?.[0]?.item_id, 'row-1');
  assert.equal(failed.failed_item_errors?.[0]?.source_id, null);
});

test('after wait_seconds the job goes on, and get_agent_job waits for its end', async () => {
  const go = join(site.folder, 'go-on');
  const rows = await rowsOf({
    a: [
      ['wait-for', go],
      ['report', 1],
    ],
    b: [['report', 2]],
  });
  const running = await mcp.call('spawn_agents_on_csv', { ...rows, wait_seconds: 0 });
  assert.deepEqual([running.status, running.total_items], ['running', 2]);
  assert.match(running.output_csv_path, /in-.*\.agent-job-.{8}\.csv$/);
  assert.match(running.next!, new RegExp(`get_agent_job .*${running.job_id}`));

  const { job_id } = running;
  const waited = await mcp.call('get_agent_job', { job_id, wait_seconds: 0.5 });
  assert.equal(waited.status, 'running');
  const end = mcp.call('get_agent_job', { job_id, wait_seconds: 50 });
  await writeFile(go, '');
  const { status, completed_items, next } = await end;
  assert.deepEqual([status, completed_items, next], ['completed', 2, undefined]);
});

test('why a job starts no more rows is told', async () => {
  const isPaused = join(site.folder, 'is-paused');
  const rows = await rowsOf({
    a: [
      ['wait-for', isPaused],
      ['report', 1],
    ],
    b: [['report', 2]],
  });
  const call = { ...rows, max_concurrency: 1, wait_seconds: 0 };
  const { job_id } = await mcp.call('spawn_agents_on_csv', call);
  const job = site.jobs.job(job_id);
  await until('it runs', async () => (await job.status().catch(() => undefined))?.running === 1);
  await job.pause('deploying');
  const paused = await mcp.call('get_agent_job', { job_id });
  assert.deepEqual([paused.status, paused.waiting_for], ['running', 'paused: deploying']);
  await writeFile(isPaused, '');
  await job.resume();
  const ended = await mcp.call('get_agent_job', { job_id, wait_seconds: 30 });
  assert.deepEqual([ended.status, ended.waiting_for], ['completed', undefined]);
});

test('progress is told as rows end, and grows', async () => {
  const [first, second] = [join(site.folder, 'first'), join(site.folder, 'second')];
  const rows = await rowsOf({
    a: [
      ['wait-for', first],
      ['report', 1],
    ],
    b: [['wait-for', second]],
  });
  const told: { progress: number; total?: number | undefined; message?: string | undefined }[] = [];
  const onprogress = (progress: (typeof told)[number]) => void told.push(progress);
  const end = mcp.call('spawn_agents_on_csv', rows, { onprogress });
  await until('the start is told', () => told.length > 0);
  await writeFile(first, '');
  await until('a row is told', () => told.at(-1)!.progress === 1);
  await writeFile(second, '');
  assert.equal((await end).status, 'partial');
  assert.deepEqual(
    told.slice(0, 3).map(({ progress, total }) => [progress, total]),
    [
      [0, 2],
      [1, 2],
      [2, 2],
    ],
  );
  assert.equal(told[1]!.message, '1 of 2 rows ended');
  assert.equal(told[2]!.message, '2 of 2 rows ended, 1 failed');
});

test('a call that the client cancels ends its waiting, and not the job', async () => {
  const go = join(site.folder, 'not-cancelled');
  const rows = await rowsOf({
    a: [
      ['touch', `${go}-begun`],
      ['wait-for', go],
      ['report', 1],
    ],
  });
  const left = new AbortController();
  const call = mcp.call('spawn_agents_on_csv', rows, { signal: left.signal });
  call.catch(() => {});
  await until('the agent works', () => exists(`${go}-begun`));
  left.abort();
  await assert.rejects(call);
  const [job] = (await site.jobs.list()).filter(({ state }) => state !== 'closed');
  await writeFile(go, '');
  const end = await mcp.call('get_agent_job', { job_id: job!.job_id, wait_seconds: 50 });
  assert.equal(end.status, 'completed');
});

test('closing the connection ends the server, and not the job', async () => {
  const go = join(site.folder, 'closed');
  const other = await connect();
  const rows = await rowsOf({
    a: [
      ['wait-for', go],
      ['report', 1],
    ],
  });
  const { job_id } = await other.call('spawn_agents_on_csv', { ...rows, wait_seconds: 0 });
  const pid = other.transport.pid!;
  other.call('get_agent_job', { job_id, wait_seconds: 50 }).catch(() => {});
  await other.close();
  await until('the server has ended', () => !isRunning(pid));
  await writeFile(go, '');
  assert.equal((await site.jobs.job(job_id).result()).verdict, 'succeeded');
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a stopped job starts no more rows, a cancelled one ends its agents', async () => {
  const go = join(site.folder, 'stopped');
  const rows = await rowsOf({
    a: [
      ['touch', `${go}-begun`],
      ['wait-for', go],
      ['report', 1],
    ],
    b: [['report', 2]],
  });
  const spawn = { ...rows, max_workers: 1, wait_seconds: 0 };
  const { job_id } = await mcp.call('spawn_agents_on_csv', spawn);
  await until('the agent works', () => exists(`${go}-begun`));
  const stopping = await mcp.call('stop_agent_job', { job_id, reason: 'enough' });
  assert.equal(stopping.status, 'running');
  await writeFile(go, '');
  const stopped = await mcp.call('get_agent_job', { job_id, wait_seconds: 50 });
  assert.deepEqual(
    [stopped.status, stopped.completed_items, stopped.job_error],
    ['stopped', 1, 'enough'],
  );
  assert.equal((await mcp.call('stop_agent_job', { job_id })).status, 'stopped');

  const hanging = await rowsOf({ a: [['touch', `${go}-hangs`], ['hang']] });
  const other = await mcp.call('spawn_agents_on_csv', { ...hanging, wait_seconds: 0 });
  await until('the agent works', () => exists(`${go}-hangs`));
  await mcp.call('stop_agent_job', { job_id: other.job_id, cancel: true });
  const cancelled = await mcp.call('get_agent_job', { job_id: other.job_id, wait_seconds: 50 });
  assert.equal(cancelled.status, 'cancelled');
});

test('results come in pages that a model can read', async () => {
  const rows = await rowsOf({
    a: [['report', { n: 1 }]],
    b: [],
    big: [['report-sized', 40_000]],
    bigger: [['report-sized', 50_000]],
    biggest: [['report-sized', 100_000]],
  });
  const { job_id } = await mcp.call('spawn_agents_on_csv', rows);
  const results = (query: object) =>
    mcp.call<ResultsAnswer>('get_agent_job_results', { job_id, ...query });

  const first = await results({ limit: 2 });
  assert.deepEqual(
    [first.job_id, first.status, first.total_items, first.next_from],
    [job_id, 'partial', 5, 2],
  );
  assert.deepEqual(first.rows[0], {
    item_id: 'a',
    row_index: 0,
    source_id: 'a',
    status: 'completed',
    result: { n: 1 },
    last_error: null,
  });
  assert.equal(first.rows[1]!.result, null);
  assert.match(first.rows[1]!.last_error!, /^no_report: /);

  const second = await results({ from: 2 });
  assert.deepEqual(
    second.rows.map(({ item_id }) => item_id),
    ['big'],
  );
  const third = await results({ from: second.next_from });
  assert.deepEqual(
    third.rows.map(({ item_id, result_bytes }) => [item_id, result_bytes]),
    [
      ['bigger', undefined],
      ['biggest', 100_000],
    ],
  );
  assert.equal(third.next_from, null);
  const failed = await results({ status: 'failed' });
  assert.deepEqual(
    failed.rows.map(({ item_id }) => item_id),
    ['b'],
  );
});

for (const modern of [false, true]) {
  const protocol = modern ? '2026-07-28' : '2025';
  test(`paths are those of the client's root, by the protocol of ${protocol}`, async () => {
    const root = join(site.folder, `root ${protocol}`);
    const rows = await rowsOf(
      {
        a: [
          ['touch', 'here'],
          ['report', 1],
        ],
      },
      root,
    );
    const other = await connect({ root, modern });
    const answer = await other.call('spawn_agents_on_csv', { ...rows, output_csv_path: 'out.csv' });
    assert.deepEqual([answer.status, answer.output_csv_path], ['completed', join(root, 'out.csv')]);
    assert.ok(await exists(join(root, 'here')), 'the agent works in the root');
  });
}

test('what is wrong with a call is told to the agent, and nothing is started', async () => {
  const before = (await site.jobs.list()).length;
  const rows = await rowsOf({ a: [['report', 1]] });
  const refusal = (args: object) => mcp.refusal('spawn_agents_on_csv', { ...rows, ...args });
  assert.match(await refusal({ csv_path: 'no.csv' }), /no\.csv: there is no such file/);
  assert.match(await refusal({ id_column: 'key' }), /has no column "key"/);
  assert.match(await refusal({ output_schema: { type: 'nothing' } }), /^output_schema/);
  assert.match(await refusal({ output_csv_path: 'out.txt' }), /^output_csv_path: must end in/);
  await site.file('taken.csv', 'x\n');
  assert.match(
    await refusal({ output_csv_path: 'taken.csv' }),
    /taken\.csv is there already: name another with output_csv_path$/,
  );
  assert.match(await refusal({ max_workers: 2, max_concurrency: 3 }), /^max_workers: .* 2 and 3/);
  assert.match(await refusal({ max_concurrency: 1001 }), /max_concurrency: .*1000/);
  assert.match(await refusal({ workers: 2 }), /"workers"/);
  assert.match(await refusal({ agent: undefined }), /^agent: say what works on the rows/);
  assert.match(await refusal({ agent: [''] }), /^agent\.command: needs a program/);

  for (const tool of ['get_agent_job', 'get_agent_job_results', 'stop_agent_job']) {
    assert.match(await mcp.refusal(tool, { job_id: 'nope' }), /^no job nope: /);
  }
  assert.equal((await site.jobs.list()).length, before);
  assert.deepEqual(await readdir(join(site.folder, 'state')).catch(() => []), []);
});

test('max_workers is max_concurrency, also where both are given and agree', async () => {
  const rows = await rowsOf({ a: [['report', 1]] });
  for (const [index, given] of [
    { max_workers: 3 },
    { max_workers: 3, max_concurrency: 3 },
  ].entries()) {
    const output_csv_path = `alias-${index}.csv`;
    const call = { ...rows, ...given, output_csv_path };
    const { job_id } = await mcp.call<JobAnswer>('spawn_agents_on_csv', call);
    assert.equal((await site.jobs.store.job(job_id).record())?.spec.max_concurrency, 3);
  }
});

test('within an agent of a job it starts none, unless that is allowed', async () => {
  const within = { ...env, AGENT_JOBS_JOB_ID: 'outer' };
  const rows = await rowsOf({ a: [['report', 1]] });
  const refusing = await connect({ env: within });
  const refusal = await refusing.refusal('spawn_agents_on_csv', rows);
  assert.match(refusal, /agent of job outer.*--allow-nested/);
  if (process.platform === 'linux') {
    // As Codex, which hands on little of its environment.
    const stripping = ['sh', '-c', 'env -u AGENT_JOBS_JOB_ID "$@"; exit', 'sh'];
    const stripped = await connect({ env: within, through: stripping });
    assert.match(await stripped.refusal('spawn_agents_on_csv', rows), /agent of job outer/);
  }
  const allowing = await connect({ env: within, args: ['--allow-nested'] });
  assert.equal((await allowing.call('spawn_agents_on_csv', rows)).status, 'completed');
});
