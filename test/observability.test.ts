/** What a worker tells of its work: metrics for Prometheus, the dashboard of them, and logs as JSON. */
import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type MetricMeter, noopMetricMeter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createControlActivities } from '../src/activities/control.js';
import { OpenJobs } from '../src/activities/open-jobs.js';
import type { JobHandle, JobSpec } from '../src/client.js';
import type { Outcome } from '../src/job.js';
import { Metrics } from '../src/metrics.js';
import { RunningCli, cli } from './support/cli.js';
import { freePort } from './support/free-port.js';
import { readQuery, scrape, selects, total } from './support/prometheus.js';
import { ROOT, Site, until } from './support/site.js';

let site: Site;
let address: string;
let worker: RunningCli;
/** Its rows: two good ones, and one of each other kind. */
let claudes: JobHandle;
const TASKS = ['good', 'good', 'mends', 'unknown', 'silent'];

before(async () => {
  site = await Site.open();
  const bin = join(site.folder, 'bin');
  await mkdir(bin);
  await copyFile(join(ROOT, 'test/support/fake-claude.cjs'), join(bin, 'claude'));
  await chmod(join(bin, 'claude'), 0o755);
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  const env = { ...site.processEnv, PATH: [bin, process.env['PATH']].join(delimiter) };
  const options = ['--metrics-address', String(port), '--log-format', 'json'];
  worker = new RunningCli(['worker', ...options], { env, cwd: '/' });
  await until('the worker is ready', () => worker.stderr.includes('The worker is ready'));
  claudes = await start('claudes', {
    csv_path: await site.file('claudes.csv', ['task', ...TASKS].join('\n')),
    instruction: 'TASK {task}',
    output_schema: { type: 'string' },
    agent: { preset: 'claude' },
    report_grace_seconds: 0,
  });
  await claudes.result();
});
after(async () => {
  worker.process.kill('SIGKILL');
  await worker.ending;
  await site.close();
});

const start = (jobId: string, spec: JobSpec) => site.jobs.start(spec, { jobId });

test('rows, agents, reports and spend are counted, each once', async () => {
  const samples = await scrape(address);
  const of = (name: string, labels: { [label: string]: string }) =>
    total(samples, `agent_jobs_${name}`, {
      ...{ namespace: 'default', task_queue: site.taskQueue, agent: 'claude' },
      ...labels,
    });
  const ended = (outcome: string, reason = '', failure_class = '') =>
    of('rows_ended_total', { outcome, reason, failure_class });
  assert.deepEqual(
    {
      completed: ended('completed'),
      unknown: ended('failed', 'agent_error', 'login'),
      silent: ended('failed', 'no_report'),
      all: of('rows_ended_total', {}),
      in_flight: of('agents_in_flight', {}),
      runs: of('agent_seconds_count', {}),
      exited: of('agent_seconds_count', { end: 'exited' }),
      reports: of('report_seconds_count', {}),
      invalid: of('reports_refused_total', { because: 'invalid' }),
      unreadable: of('reports_refused_total', { because: 'unreadable' }),
      input: of('tokens_total', { kind: 'input' }),
      cached: of('tokens_total', { kind: 'cached_input' }),
      output: of('tokens_total', { kind: 'output' }),
      usd: of('agent_cost_usd_sum', {}),
    },
    {
      ...{ completed: 3, unknown: 1, silent: 1, all: 5, in_flight: 0, runs: 5, exited: 5 },
      ...{ reports: 3, invalid: 1, unreadable: 1 },
      ...{ input: 55, cached: 25, output: 35, usd: 1.25 },
    },
  );
  const seconds = of('agent_seconds_sum', {});
  assert.ok(seconds > 0.1 && seconds < 300, `${seconds} s`);
  const reporting = of('report_seconds_sum', {});
  assert.ok(reporting > 0 && reporting < seconds, `${reporting} s of ${seconds} s`);
  // The SDK's are at the same address.
  assert.ok(samples.some(({ name }) => name === 'temporal_request_latency_seconds_bucket'));
});

test('an agent is in flight while it runs; a row that is cancelled is counted as such', async () => {
  const inFlight = async () =>
    total(await scrape(address), 'agent_jobs_agents_in_flight', { agent: 'command' });
  const job = await start('hangs', await site.spec({ a: [['hang']], b: [['hang']] }));
  await until('two agents run', async () => (await inFlight()) === 2);
  await job.cancel();
  await job.result();
  assert.equal(await inFlight(), 0);
  const samples = await scrape(address);
  const cancelled = { agent: 'command', outcome: 'cancelled' };
  assert.equal(total(samples, 'agent_jobs_rows_ended_total', cancelled), 2);
  const ends = { agent: 'command', end: 'cancelled' };
  assert.equal(total(samples, 'agent_jobs_agent_seconds_count', ends), 2);
});

test('of agents that are elsewhere, the reports that their items refused are counted', async () => {
  const job = await start('external', {
    csv_path: await site.file('external.csv', 'text\nx\n'),
    instruction: '{text}',
    output_schema: { type: 'string' },
    agent: { external: true },
  });
  await until('it waits', () => job.task('row-1').catch(() => undefined));
  for (const result of [1, 2, 'three']) {
    await site.jobs.report({ job_id: 'external', item_id: 'row-1', result });
  }
  await job.result();
  const samples = await scrape(address);
  const external = { agent: 'external' };
  assert.equal(total(samples, 'agent_jobs_reports_refused_total', external), 2);
  assert.equal(total(samples, 'agent_jobs_rows_ended_total', external), 1);
});

test('outcomes that are written once more are not counted again', async () => {
  const added: unknown[] = [];
  const meter = Object.assign(Object.create(noopMetricMeter) as MetricMeter, {
    createCounter: (name: string) => ({
      ...noopMetricMeter.createCounter(name),
      add: (value: number, labels: object) => added.push([name, value, labels]),
    }),
  });
  const { store } = site.jobs;
  const activities = createControlActivities({
    client: site.client,
    store,
    jobs: new OpenJobs(store),
    metrics: new Metrics(meter),
  });
  const outcome: Outcome = {
    ...{ status: 'cancelled', last_error: 'cancelled', attempt_count: 0 },
    completed_at: new Date().toISOString(),
  };
  const batch: Parameters<typeof activities.appendOutcomes>[0] = {
    outcomes: [[0, outcome]],
    ...{ job_id: claudes.jobId, store_id: await store.blobs.id(), batch: 1000 },
    counts: { completed: 3, failed: 2, cancelled: 0 },
  };
  const env = new MockActivityEnvironment();
  const append = () => env.run((again) => activities.appendOutcomes(again), batch);
  await append();
  await append();
  const labels = { agent: 'claude', outcome: 'cancelled', reason: '', failure_class: '' };
  assert.deepEqual(added, [['agent_jobs_rows_ended', 1, labels]]);
});

interface Dashboard {
  templating: { list: { name: string; query: string | { query: string } }[] };
  panels: { title: string; type: string; targets?: { expr: string }[] }[];
}

test('each query of the dashboard finds what is measured', async () => {
  const file = join(ROOT, 'docs/grafana-dashboard.json');
  const { panels, templating } = JSON.parse(await readFile(file, 'utf8')) as Dashboard;
  const samples = await scrape(address);
  const filled = (text: string) =>
    text
      .replaceAll('$__rate_interval', '5m')
      .replaceAll('$__range', '1h')
      .replaceAll('$namespace', 'default')
      .replaceAll('$task_queue', site.taskQueue);
  const queries = panels.flatMap(({ title, type, targets = [] }) => {
    if (type !== 'row') assert.ok(targets.length > 0, `${title} has no query`);
    return targets.map(({ expr }) => filled(expr));
  });
  assert.ok(queries.length > 15);
  const asked = new Set<string>();
  for (const query of queries) {
    assert.doesNotMatch(query, /\$/, 'a variable that there is not');
    const { selectors, grouping } = readQuery(query);
    assert.ok(selectors.length > 0, query);
    for (const selector of selectors) {
      asked.add(selector.name);
      const found = samples.filter((sample) => selects(selector, sample));
      assert.ok(found.length > 0, `nothing is found by ${JSON.stringify(selector)} of ${query}`);
      for (const label of grouping) {
        assert.ok(
          found.every(({ labels }) => label in labels),
          `no label ${label} for ${query}`,
        );
      }
    }
  }
  for (const { name, query } of templating.list) {
    const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(
      typeof query === 'string' ? query : query.query,
    ) ?? [undefined, undefined, undefined];
    if (name === 'datasource') continue;
    const found = samples.filter((sample) => sample.name === metric);
    assert.ok(found.length > 0 && found.every(({ labels }) => label! in labels), name);
  }
  // What is measured and not shown would be of no use.
  const own = samples.map(({ name }) => name).filter((name) => name.startsWith('agent_jobs_'));
  const families = new Set(own.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  for (const family of families) {
    assert.ok(
      [...asked].some((name) => name.startsWith(family)),
      `${family} is on no panel`,
    );
  }
});

test('with --log-format json, each line is an object that names job, item, attempt and run', async () => {
  const lines = worker.stderr.trim().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as { [name: string]: unknown });
  for (const { time, level, message } of entries) {
    assert.ok(Math.abs(Date.now() - Date.parse(time as string)) < 600_000, String(time));
    assert.match(level as string, /^(info|warn|error)$/);
    assert.equal(typeof message, 'string');
  }
  assert.match(entries[0]!['message'] as string, /^The worker is ready: task queue /);
  const ended = entries.filter(
    ({ message, job_id }) => message === 'an agent has ended' && job_id === claudes.jobId,
  );
  assert.deepEqual(
    ended
      .map(({ item_id, attempt, run, end, reported }) => [item_id, attempt, run, end, reported])
      .sort(([a], [b]) => String(a).localeCompare(String(b))),
    TASKS.map((task, n) => [`row-${n + 1}`, 1, 1, 'exited', task === 'good' || task === 'mends']),
  );
  assert.equal(ended[0]!['workflow_id'], `${claudes.jobId}/${String(ended[0]!['item_id'])}`);
});

test('an address that cannot be listened at is told, and nothing is started', async () => {
  const taken = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  try {
    const env = site.processEnv;
    const busy = await cli(['worker', '--metrics-address', `127.0.0.1:${port}`], { env });
    assert.equal(busy.code, 1, busy.stderr);
    assert.match(
      busy.stderr,
      new RegExp(
        `^agent-jobs: --metrics-address: 127\\.0\\.0\\.1:${port} cannot be used: .*in use`,
      ),
    );
    const wrong = await cli(['worker', '--metrics-address', 'somewhere'], { env });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /must be PORT, or IP:PORT/);
  } finally {
    taken.close();
  }
});
