/** Traces by OpenTelemetry: one from the command line to the agent, and none where nobody asked for them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Worker } from '@temporalio/worker';
import { dataConverter } from '../src/data-converter.js';
import { itemQuery, itemWorkflowId, reportSignal } from '../src/messages.js';
import { RunningCli, cli } from './support/cli.js';
import { Collector, type Span } from './support/collector.js';
import { AGENT, ROOT, Site, until } from './support/site.js';

let site: Site;
let collector: Collector;
before(async () => {
  site = await Site.open();
  collector = await Collector.listen();
});
after(async () => {
  collector.close();
  await site.close();
});

/** Settings under which traces go to the collector, within moments. */
const traced = () => ({
  ...site.processEnv,
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_BSP_SCHEDULE_DELAY: '100',
});

async function withWorker(env: NodeJS.ProcessEnv, work: () => Promise<void>): Promise<string[]> {
  const file = join(site.folder, `loaded-${Math.random()}`);
  const hook = join(ROOT, 'test/support/loaded-modules.cjs');
  const worker = new RunningCli(['worker'], {
    env: { ...env, NODE_OPTIONS: `--require=${hook}`, LOADED_MODULES_FILE: file },
    cwd: '/',
  });
  try {
    await until('the worker is ready', () => worker.stderr.includes('The worker is ready'));
    await work();
  } finally {
    worker.process.kill('SIGTERM');
  }
  const { stderr } = await worker.ending;
  // Of a machine under load it warns that tasks are slow.
  assert.doesNotMatch(stderr, /ERROR|WARN.*(?:trac|otlp|export)/i);
  return (await readFile(file, 'utf8')).split('\n').filter(Boolean);
}

async function run(jobId: string, env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const saved = join(site.folder, `${jobId}.json`);
  const steps = JSON.stringify([
    ['save-env', saved],
    ['report', 1],
  ]).replaceAll('"', '""');
  const input = await site.file(`${jobId}.csv`, `id,steps\na,"${steps}"\n`);
  const options = ['--instruction', '{steps}', '--id-column', 'id', '--job-id', jobId];
  const { code, stderr } = await cli(['run', input, ...options, '--', ...AGENT], { env });
  assert.equal(code, 0, stderr);
  return JSON.parse(await readFile(saved, 'utf8')) as Record<string, string>;
}

test('one trace leads from the command line by job and item to the agent and its report', async () => {
  const loaded = await withWorker(traced(), async () => {
    const { TRACEPARENT } = await run('traced', traced());
    const [, trace, parent] = TRACEPARENT!.split('-');
    const span = (name: string): Promise<Span> =>
      until(`a span ${name}`, () =>
        collector.spans.find((each) => each.name === name && each.trace === trace),
      );
    // The span of a workflow comes when it has ended.
    await span('RunWorkflow:agentJob');
    const agent = await span('RunActivity:runAgent');
    assert.equal(agent.id, parent);
    const toAgent = [
      ['agent-jobs', 'StartWorkflow:agentJob'],
      ['agent-jobs-worker', 'RunWorkflow:agentJob'],
      ['agent-jobs-worker', 'StartChildWorkflow:agentJobItem'],
      ['agent-jobs-worker', 'RunWorkflow:agentJobItem'],
      ['agent-jobs-worker', 'StartActivity:runAgent'],
      ['agent-jobs-worker', 'RunActivity:runAgent'],
    ];
    const names = (line: Span[]) => line.map(({ service, name }) => [service, name]);
    assert.deepEqual(names(collector.lineOf(agent)), toAgent);
    const report = await span('HandleSignal:report_agent_job_result');
    assert.deepEqual(names(collector.lineOf(report)), [
      ...toAgent,
      ['agent-jobs-worker', 'SignalWorkflow:report_agent_job_result'],
      ['agent-jobs-worker', 'HandleSignal:report_agent_job_result'],
    ]);
    // What is looked at again and again would bury it.
    assert.ok(!collector.spans.some(({ name }) => /Query|Describe/.test(name)));
  });
  assert.ok(loaded.length > 10);
});

test('a message whose trace cannot be read is taken as one without', async () => {
  await withWorker(traced(), async () => {
    const job = await site.jobs.start({
      csv_path: await site.file('external.csv', 'id\na\n'),
      ...{ instruction: 'x', id_column: 'id', agent: { external: true } },
    });
    const item = site.client.workflow.getHandle(itemWorkflowId(job.jobId, 'a'));
    await until('it waits', () => job.task('a').catch(() => undefined));
    const json = { encoding: Buffer.from('json/plain') };
    const traces = [
      { metadata: { encoding: Buffer.from('binary/unknown') }, data: Buffer.from('?') },
      { metadata: json, data: Buffer.from('not JSON') },
      { metadata: json, data: Buffer.from('null') },
      { metadata: json, data: Buffer.from('{"traceparent":7,"tracestate":[]}') },
      { metadata: json, data: Buffer.from('{"traceparent":"00-zz"}') },
    ];
    for (const trace of traces) {
      await site.client.workflowService.signalWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId: item.workflowId },
        signalName: reportSignal.name,
        header: { fields: { '_tracer-data': trace } },
        input: { payloads: [{ metadata: json, data: Buffer.from('{}') }] },
      });
    }
    const { refused_reports } = await item.query(itemQuery);
    assert.equal(refused_reports.length, traces.length);
    await site.jobs.report({ job_id: job.jobId, item_id: 'a', result: 1 });
    assert.equal((await job.result()).completed, 1);
  });
});

test('what a worker with traces has begun, one without can take over', async () => {
  for (const workflowId of ['traced', itemWorkflowId('traced', 'a')]) {
    const history = await site.client.workflow.getHandle(workflowId).fetchHistory();
    const codePath = join(ROOT, 'dist/workflow-bundle.js');
    const options = { workflowBundle: { codePath }, dataConverter };
    await Worker.runReplayHistory(options, history, workflowId);
  }
});

test('without a collector there are no traces, and nothing for them is loaded', async () => {
  const { length } = collector.spans;
  const loaded = await withWorker(site.processEnv, async () => {
    const env = await run('plain', site.processEnv);
    assert.ok(!('TRACEPARENT' in env));
  });
  assert.deepEqual(loaded, []);
  assert.equal(collector.spans.length, length);
});
