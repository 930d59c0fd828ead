/** Jobs run and watched from the command line, to each way in which they end. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobStatus } from '../src/client.js';
import { type Ending, RunningCli, cli } from './support/cli.js';
import { AGENT, Site, type Step, readOutput, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

type Answer = JobStatus & { seconds: number; web_ui_url: string };

const json = ({ stdout }: Ending) => JSON.parse(stdout) as Answer;

/** The arguments that run these rows, with an input in the site's folder named relative to it. */
async function runArgs(id: string, rows: Record<string, Step[]>, ...options: string[]) {
  const { csv_path } = await site.spec(rows);
  return [
    ...['run', basename(csv_path), '--instruction', '{steps}', '--id-column', 'id'],
    ...['--job-id', id, ...options, '--', ...AGENT],
  ];
}

async function start(id: string, rows: Record<string, Step[]>, ...options: string[]) {
  return new RunningCli(await runArgs(id, rows, ...options), {
    env: site.processEnv,
    cwd: site.folder,
  });
}

const run = async (...args: Parameters<typeof start>) => (await start(...args)).ending;
const command = (...args: string[]) => cli(args, { env: site.processEnv, cwd: site.folder });

/** Waits until an agent has left its process ID in the file. */
const marked = (path: string) =>
  until(`an agent has made ${path}`, () => readFile(path, 'utf8').catch(() => undefined));

describe('run', { concurrency: 2 }, () => {
  it('succeeded is 0; paths are relative to the folder, and so is the agent', async () => {
    const steps: Step[] = [
      ['report', { n: 1 }],
      ['touch', 'made-by-agent'],
    ];
    const ended = await run('good', { a: steps, b: [['report', 2]] }, '--output', 'good.jsonl');
    assert.equal(ended.code, 0, ended.stderr);
    const output = join(site.folder, 'good.jsonl');
    assert.match(ended.stdout, /^Job good: succeeded\. 2 of 2 rows completed, [\d.]+ s\.$/m);
    assert.match(ended.stdout, new RegExp(`^  output   ${output}$`, 'm'));
    assert.match(ended.stderr, /^Job good: 2 rows$/m);
    assert.match(ended.stderr, /^http:.*\/namespaces\/default\/workflows\/good$/m);
    const [first] = (await readFile(output, 'utf8')).split('\n');
    assert.deepEqual((JSON.parse(first!) as { result: unknown }).result, { n: 1 });
    await marked(join(site.folder, 'made-by-agent'));
  });

  it('partial is 3; the summary says what failed and why', async () => {
    const rows = {
      a: [['report', 1]],
      b: [
        ['err', 'out of \u001b[31mink'],
        ['exit', 4],
      ],
    } as const;
    const ended = await run('partial', rows as unknown as Record<string, Step[]>);
    assert.equal(ended.code, 3, ended.stderr);
    assert.match(ended.stdout, /^Job partial: partial\. 1 of 2 rows completed, 1 failed, /m);
    assert.match(
      ended.stdout,
      /^  failed   b  agent_error: exited with code 4: out of .\[31mink$/m,
    );
    // What an agent has printed must not command the terminal.
    assert.ok(!ended.stdout.includes('\u001b'));
  });

  it('failed is 3; --json leaves nothing else on standard output', async () => {
    const ended = await run('bad', { a: [['exit', 1]] }, '--json');
    assert.equal(ended.code, 3, ended.stderr);
    const answer = json(ended);
    assert.deepEqual([answer.verdict, answer.failed, answer.job_id], ['failed', 1, 'bad']);
    assert.equal(answer.failures[0]!.reason, 'agent_error');
    assert.match(answer.web_ui_url, /\/workflows\/bad$/);
    assert.ok(answer.seconds > 0);
  });

  it('stopped is 4', async () => {
    const rows: Record<string, Step[]> = { a: [['report', 1, { stop: true }]], b: [], c: [] };
    const ended = await run('halted', rows, '--max-concurrency', '1', '--json');
    assert.equal(ended.code, 4, ended.stderr);
    const { verdict, pending, stop_reason } = json(ended);
    assert.deepEqual([verdict, pending, stop_reason], ['stopped', 2, 'item a reported stop']);
  });

  it('cancelled is 4; stop and cancel say what they do, and that a job has ended', async () => {
    const mark = join(site.folder, 'to-cancel');
    const rows: Record<string, Step[]> = { a: [['touch', mark], ['hang']], b: [['report', 1]] };
    const running = await start('ending', rows, '--max-concurrency', '1');
    await marked(mark);
    const stop = await command('stop', 'ending');
    assert.match(stop.stdout, /^Job ending starts no more rows\./);
    const cancel = await command('cancel', 'ending');
    assert.match(cancel.stdout, /^Job ending is being cancelled\./);
    const ended = await running.ending;
    assert.equal(ended.code, 4, ended.stderr);
    assert.match(
      ended.stdout,
      /^Job ending: cancelled\. 0 of 2 rows completed, 1 cancelled, 1 not/,
    );
    const late = await command('stop', 'ending');
    assert.match(late.stdout, /^Job ending has ended already: cancelled\./);
    assert.equal(late.code, 0);
  });

  it('Ctrl-C is 130 and leaves the job running, to be watched again', async () => {
    const mark = join(site.folder, 'interrupted');
    const go = join(site.folder, 'interrupted-goes');
    const rows: Record<string, Step[]> = {
      a: [
        ['touch', mark],
        ['wait-for', go],
        ['report', 1],
      ],
    };
    const running = await start('long', rows, '--json');
    await marked(mark);
    running.process.kill('SIGINT');
    const { code, stdout, stderr } = await running.ending;
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /job long goes on\. To watch it again: agent-jobs watch long$/m);
    await writeFile(go, '');

    const watched = await command('watch', 'long', '--json');
    assert.equal(watched.code, 0, watched.stderr);
    assert.equal(json(watched).verdict, 'succeeded');
    const again = await command('watch', 'long');
    assert.equal(again.code, 0);
    assert.match(again.stdout, /^Job long: succeeded\./);
    assert.equal(again.stderr, '');
  });

  it('--detach prints the ID alone, or JSON; a job ID is used once', async () => {
    const detached = await run('apart', { a: [['report', 1]] }, '--detach');
    assert.deepEqual([detached.code, detached.stdout], [0, 'apart\n']);
    assert.match(detached.stderr, /To watch it: agent-jobs watch apart$/m);

    const args = await runArgs('apart', { a: [] }, '--json');
    const taken = await cli(args, { env: site.processEnv, cwd: site.folder });
    assert.deepEqual([taken.code, taken.stdout], [2, '']);
    assert.match(taken.stderr, /job apart exists already.*watch apart.*results apart/);

    const { web_ui_url, ...told } = json(await run('apart-2', { a: [] }, '--detach', '--json'));
    assert.match(web_ui_url, /apart-2$/);
    assert.deepEqual(Object.keys(told), ['job_id', 'total', 'output_csv_path']);
    assert.match(String(told.output_csv_path), /\/in-\w+\.agent-job-apart-2\.csv$/);
  });

  it('an output that could not be written at the end is 1, and told with its remedy', async () => {
    const output = join(site.folder, 'in-the-way.csv');
    const rows: Record<string, Step[]> = {
      a: [
        ['mkdir', output],
        ['report', 1],
      ],
    };
    const ended = await run('unwritten', rows, '--output', output);
    assert.equal(ended.code, 1, ended.stdout);
    assert.match(ended.stdout, /succeeded\. 1 of 1 row completed/);
    assert.match(
      ended.stdout,
      /in-the-way\.csv could not be written[^]*results unwritten --output PATH/,
    );
    const elsewhere = await command('results', 'unwritten', '--output', 'elsewhere.csv');
    assert.equal(elsewhere.stdout, `${join(site.folder, 'elsewhere.csv')}\n`);
    assert.equal((await readOutput(join(site.folder, 'elsewhere.csv')))[0]!['status'], 'completed');
  });
});

describe('run without a worker', () => {
  const env = () => ({ ...site.processEnv, AGENT_JOBS_TASK_QUEUE: 'nobody' });

  it('says so at once, and goes on when there is one', async () => {
    const args = await runArgs('lonely', { a: [['report', 1]] });
    const running = new RunningCli(args, { env: env(), cwd: site.folder });
    await until('the notice', () => running.stderr.includes('To start one: agent-jobs worker'));
    assert.match(running.stderr, /No worker takes .* the task queue nobody or nobody-agents\./);
    const worker = await site.worker({ taskQueue: 'nobody' });
    const ended = await running.ending;
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(ended.stderr.match(/To start one/g)!.length, 1);
    worker.shutdown();
    await worker.done;
  });

  it('says so after 5 s where the server still lists a worker that is gone', async () => {
    const args = await runArgs('forsaken', { a: [['report', 1]] });
    const running = new RunningCli(args, { env: env(), cwd: site.folder });
    const notice = 'No worker has answered for this job for 5 s. To start one: agent-jobs worker';
    await until('the notice', () => running.stderr.includes(notice));
    running.process.kill('SIGINT');
    assert.equal((await running.ending).code, 130);
  });
});
