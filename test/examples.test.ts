/** The examples, each as a process of its own, on a real server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobSpec } from '../src/client.js';
import { ROOT, Site, readOutput } from './support/site.js';

const TICKETS = join(ROOT, 'examples/tickets.csv');
const TICKET_COUNT = 20;

function start(file: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'examples', file), ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ending(
  child: ChildProcess,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const ended = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...ended };
}

describe('examples with a server', () => {
  let site: Site;
  before(async () => {
    site = await Site.open();
    await site.worker();
  });
  after(() => site.close());

  function tickets(name: string, agent: JobSpec['agent']): JobSpec {
    return {
      csv_path: TICKETS,
      id_column: 'id',
      instruction: '{text}',
      agent,
      output_csv_path: join(site.folder, name),
      max_concurrency: 8,
      max_runtime_seconds: 120,
    };
  }

  /** The results of an output in which every ticket is completed, by its ID. */
  async function results(path: string): Promise<Map<string, unknown>> {
    const rows = await readOutput(path);
    assert.equal(rows.length, TICKET_COUNT);
    for (const { id, status, last_error } of rows)
      assert.equal(status, 'completed', `${id}: ${last_error}`);
    return new Map(rows.map(({ id, result_json }) => [id!, JSON.parse(result_json!)]));
  }

  it('start-from-code.ts starts a job, watches it and says where its output is', async () => {
    const output = join(site.folder, 'triaged.csv');
    const ended = await ending(start('start-from-code.ts', [output], site.processEnv));
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /^closed: 20 of 20 completed, 0 failed$/m);
    assert.match(ended.stdout, new RegExp(`^succeeded: ${output}$`, 'm'));
    const found = await results(output);
    assert.deepEqual(found.get('T-1001'), { team: 'billing', urgent: false });
    assert.deepEqual(found.get('T-1020'), { team: 'support', urgent: true });
  });

  it('external-worker.ts does the items of an external job', async () => {
    const job = await site.jobs.start(tickets('external.csv', { external: true }));
    const ended = await ending(start('external-worker.ts', [job.jobId], site.processEnv));
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /^succeeded: 20 of 20 completed$/m);
    assert.equal(ended.stdout.match(/ accepted$/gm)?.length, TICKET_COUNT);
    const { output_csv_path } = await job.result();
    assert.deepEqual((await results(output_csv_path)).get('T-1004'), { words: 5 });
  });

  it('own-activity.ts is the agent of a job', async () => {
    const worker = start('own-activity.ts', [], site.processEnv);
    const ended = ending(worker);
    const job = await site.jobs.start(
      tickets('activity.csv', { activity: 'triage', task_queue: 'ticket-triage' }),
    );
    const { output_csv_path } = await job.result();
    worker.kill('SIGTERM');
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual((await results(output_csv_path)).get('T-1001'), { team: 'billing' });
  });
});
