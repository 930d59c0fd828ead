/** Agents meet a limit of what they use: the job waits for its end, and no row fails for it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { JobHandle, JobSpec, JobStatus } from '../src/client.js';
import type { AgentJobsWorker } from '../src/worker.js';
import { itemsOf, runsOf } from './support/chain.js';
import { standIn } from './support/claude.js';
import { cli } from './support/cli.js';
import { LIGHT_AGENT, lightSpec, rowsOf } from './support/light-agent.js';
import { Site, readOutput, statusOf, until } from './support/site.js';

const THRESHOLD = 60;
/** What the agents of a service without quota print. */
const PATTERN = String.raw`over the limit(?: until (?<reset>\d+))?`;

let site: Site;
let worker: AgentJobsWorker;
before(async () => {
  site = await Site.open({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': THRESHOLD },
  });
  worker = await site.worker();
});
after(() => site.close());

const path = (name: string) => join(site.folder, name);

/** A service that is open once a file is there, or a time has come that it states. */
class Service {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Shell that ends for the limit while the service is shut. @param more what else it says then. */
  shut(more = ''): string {
    return `[ -e '${path(this.#name)}' ] || { echo 'over the limit ${more}'; exit 1; }`;
  }

  /** The same for so long from the first call on. */
  async shutFor(ms: number): Promise<string> {
    const at = path(`${this.#name}-at`);
    return (
      `mkdir '${at}.d' 2>/dev/null && echo $(( $(date +%s%3N) + ${ms} )) >'${at}.new' && mv '${at}.new' '${at}'; ` +
      `while [ ! -e '${at}' ]; do sleep 0.01; done; ` +
      `[ $(date +%s%3N) -ge $(cat '${at}') ] || { echo "over the limit until $(cat '${at}')"; exit 1; }`
    );
  }

  /** When it opened: ms since the epoch. */
  async openedAt(): Promise<number> {
    return Number(await readFile(path(`${this.#name}-at`), 'utf8'));
  }

  async open(): Promise<void> {
    await writeFile(path(this.#name), '');
  }
}

function limited(rows: Record<string, string>, spec: Partial<JobSpec> = {}): Promise<JobSpec> {
  const agent = { command: LIGHT_AGENT, quota_pattern: PATTERN };
  return lightSpec(site, rows, { agent, report_grace_seconds: 0, ...spec });
}

function paused(job: JobHandle): Promise<JobStatus & { paused: { until: string } }> {
  return until(`${job.jobId} is paused for its quota`, async () => {
    const status = await job.status();
    return status.paused?.until ? (status as JobStatus & { paused: { until: string } }) : false;
  });
}

/** Each row was started alone until one had gone through, then with twice as many for each that had. */
function reopenedGradually(items: WorkflowExecutionDescription[]): void {
  const byStart = items.toSorted((a, b) => a.startTime.getTime() - b.startTime.getTime());
  for (const [n, { startTime }] of byStart.entries()) {
    const before = byStart.slice(0, n);
    const ended = before.filter(({ closeTime }) => closeTime! <= startTime).length;
    const inFlight = before.length - ended;
    assert.ok(inFlight < 2 ** ended, `${inFlight} in flight and ${ended} ended at start ${n}`);
  }
}

const ALL_PENDING = { completed: 0, failed: 0, cancelled: 0 };

describe('a limit that agents meet', { concurrency: 4 }, () => {
  it('pauses the job until the reset that is stated, and fails no row', async () => {
    const service = new Service('itself');
    const shell = await service.shutFor(10_000);
    const spec = await limited(
      rowsOf(24, (n) => `${shell}; sleep 0.2; report ${n}`),
      { max_concurrency: 8 },
    );
    const job = await site.jobs.start(spec);
    const status = await paused(job);
    assert.equal(status.state, 'paused');
    assert.match(
      status.paused.reason,
      /^quota: r00\d exited with code 1 \(quota\): over the limit/,
    );
    assert.equal(Date.parse(status.paused.until), await service.openedAt());
    const { verdict, completed, failed, output_csv_path } = await job.result();
    assert.deepEqual([verdict, completed, failed], ['succeeded', 24, 0]);
    const rows = await readOutput(output_csv_path);
    assert.ok(
      rows.every((row, n) => row['result_json'] === String(n) && row['attempt_count'] === '1'),
    );
    const items = await itemsOf(site.client, job.jobId);
    const openedAt = await service.openedAt();
    const [met, late] = [
      items.filter(({ startTime }) => startTime.getTime() < openedAt),
      items.filter(({ startTime }) => startTime.getTime() >= openedAt),
    ];
    assert.deepEqual([met.length, late.length], [8, 24]);
    assert.ok(met.every(({ status: { name } }) => name === 'FAILED'));
    reopenedGradually(late);
    // What an earlier generation has printed is not overwritten.
    const logs = await cli(['logs', job.jobId, 'r000'], { env: site.processEnv });
    assert.match(logs.stdout, /over the limit until/);
  });

  it('pauses the job for a while where nobody says how long', async () => {
    const agent = { command: LIGHT_AGENT, quota_exit_code: 75 };
    const job = await site.jobs.start(await limited({ a: 'exit 75' }, { agent }));
    const { paused: pause } = await paused(job);
    const seconds = (Date.parse(pause.until) - Date.parse(pause.since)) / 1000;
    assert.ok(seconds >= 5 && seconds <= 10, `${seconds} s`);
    await job.cancel();
    await job.result();
  });

  it('goes on where it is told to, one row first', async () => {
    const service = new Service('told');
    const agent = { command: LIGHT_AGENT, quota_exit_code: 75 };
    const shell = service.shut('retry after 600 s').replace('exit 1', 'exit 75');
    const spec = await limited(
      rowsOf(6, (n) => `${shell}; sleep 0.1; report ${n}`),
      { max_concurrency: 3, agent, max_attempts: 5 },
    );
    const job = await site.jobs.start(spec, { jobId: 'told' });
    const { paused: pause } = await paused(job);
    await until('all are back', async () => (await job.status()).running === 0);
    const before = (await itemsOf(site.client, job.jobId)).length;
    assert.equal(before, 3);
    // Too early: a single row meets the limit.
    await job.resume();
    await until('it has met it again', async () => {
      const again = (await job.status()).paused;
      return again !== null && again.since !== pause.since;
    });
    assert.equal((await itemsOf(site.client, job.jobId)).length, before + 1);
    await service.open();
    const resumed = await cli(['resume', 'told'], { env: site.processEnv });
    assert.deepEqual([resumed.code, resumed.stdout], [0, 'Job told goes on.\n']);
    const { verdict, completed } = await job.result();
    assert.deepEqual([verdict, completed], ['succeeded', 6]);
  });

  it('leaves alone what runs, and puts back also what meets it later', async () => {
    const service = new Service('later');
    const gate = (name: string) => `while [ ! -e '${path(name)}' ]; do sleep 0.02; done`;
    const rows = {
      first: `${service.shut()}; report 1`,
      goes: `${gate('goes')}; report 2`,
      later: `${gate('later-goes')}; ${service.shut()}; report 3`,
      fails: `${gate('fails')}; exit 3`,
      last: 'report 5',
    };
    const job = await site.jobs.start(await limited(rows, { max_concurrency: 4 }));
    await paused(job);
    for (const name of ['goes', 'later-goes', 'fails']) await site.file(name, '');
    const status = await until('all have ended', async () => {
      const now = await job.status();
      return now.running === 0 && now;
    });
    assert.deepEqual([status.completed, status.failed, status.pending], [1, 1, 3]);
    await service.open();
    await job.resume();
    const { verdict, completed, failed } = await job.result();
    assert.deepEqual([verdict, completed, failed], ['partial', 4, 1]);
  });

  it('is over where a person says so, whatever rows have to say that ran before', async () => {
    const service = new Service('overridden');
    const gate = (name: string) => `while [ ! -e '${path(name)}' ]; do sleep 0.02; done`;
    const rows = {
      first: `${service.shut('until $(( $(date +%s) + 600 ))')}; ${gate('first-goes')}; report 1`,
      straggler:
        `if [ -e '${path('seen')}' ]; then report 2; else ${gate('straggler-goes')}; touch '${path('seen')}'; ` +
        `echo "over the limit until $(( $(date +%s) + 900 ))"; exit 1; fi`,
    };
    const job = await site.jobs.start(await limited(rows, { max_concurrency: 2 }));
    await paused(job);
    await until('the other one runs', async () => (await job.status()).running === 1);
    await service.open();
    await job.resume();
    await until('the row runs again', async () => (await job.status()).running === 2);
    await site.file('straggler-goes', '');
    const status = await until('the straggler has ended', async () => {
      const now = await job.status();
      return now.running === 1 && now;
    });
    assert.deepEqual([status.paused, status.state], [null, 'running']);
    await site.file('first-goes', '');
    const { verdict, completed } = await job.result();
    assert.deepEqual([verdict, completed], ['succeeded', 2]);
  });

  it('waits longer each time that it is met, and never fails a row', async () => {
    // It says that it ends soon, each time.
    const soon = '$(( $(date +%s%3N) + 2000 ))';
    const spec = await limited({
      a: `echo "over the limit until ${soon}"; exit 1`,
      b: 'report 1',
    });
    const job = await site.jobs.start({ ...spec, max_concurrency: 1, max_attempts: 2 });
    const items = await until(
      'it has met it five times',
      async () => {
        const known = await itemsOf(site.client, job.jobId);
        return known.length >= 5 && known;
      },
      60_000,
    );
    const starts = items.map(({ startTime }) => startTime.getTime()).toSorted((a, b) => a - b);
    for (const [n, least] of [1000, 1000, 2000, 4000].entries()) {
      assert.ok(starts[n + 1]! - starts[n]! >= least, `${starts[n + 1]! - starts[n]!} ms`);
    }
    await job.stop();
    const { verdict, pending, failed } = await job.result();
    assert.deepEqual([verdict, pending, failed], ['stopped', 2, 0]);
  });

  it('is no obstacle to stopping or cancelling the job, and to pausing it', async () => {
    const rows = rowsOf(4, () => `echo "over the limit until $(( $(date +%s) + 3600 ))"; exit 1`);
    const jobs = await Promise.all(
      ['stop', 'cancel', 'pause'].map(async (jobId) =>
        site.jobs.start(await limited(rows, { max_concurrency: 2 }), { jobId }),
      ),
    );
    const [stopped, cancelled, held] = jobs as [JobHandle, JobHandle, JobHandle];
    for (const job of jobs) {
      const { paused: pause } = await paused(job);
      assert.ok(Date.parse(pause.until) > Date.now() + 3_500_000);
      await until('all are back', async () => (await job.status()).running === 0);
    }
    const env = site.processEnv;
    const shown = await cli(['status', 'stop'], { env });
    assert.match(shown.stdout, /paused +until .*\d\d:\d\d: quota: r00\d exited/);
    const listed = await cli(['items', 'stop', '--status', 'pending'], { env });
    assert.match(listed.stdout, /r000[^]*r003/);
    await Promise.all([stopped.stop(), cancelled.cancel(), held.pause('lunch')]);
    // An hour before the limit is over.
    const [a, b] = await Promise.all([stopped.result(), cancelled.result()]);
    assert.deepEqual([a.verdict, b.verdict], ['stopped', 'cancelled']);
    for (const { completed, failed, cancelled: ended } of [a, b]) {
      assert.deepEqual({ completed, failed, cancelled: ended }, ALL_PENDING);
    }
    const output = await readOutput(a.output_csv_path);
    assert.ok(output.every((row) => row['status'] === 'pending' && row['last_error'] === ''));
    // A person's pause is the one that is shown, and ends with a person's word only.
    assert.equal((await statusOf(held)).paused?.reason, 'lunch');
    const answer = await cli(['cancel', 'pause', 'r000'], { env: site.processEnv });
    assert.equal(answer.code, 0, answer.stderr);
    assert.equal((await statusOf(held)).cancelled, 1);
    await held.cancel();
    await held.result();
  });
});

it('is waited for while the job continues as new and the worker is another', async () => {
  const service = new Service('chain');
  const shell = await service.shutFor(30_000);
  const spec = await limited(
    rowsOf(30, (n) => `${shell}; report ${n}`),
    { max_concurrency: 6 },
  );
  const job = await site.jobs.start(spec);
  await paused(job);
  await until('all are back', async () => (await job.status()).running === 0);
  const before = (await runsOf(site.client, job.jobId)).length;
  for (let n = 0; n < THRESHOLD / 2; n += 1) await job.set({ max_concurrency: 6 });
  const after = (await runsOf(site.client, job.jobId)).length;
  assert.ok(after > before, `${after} runs after ${before}`);
  const status = await paused(job);
  assert.equal(Date.parse(status.paused.until), await service.openedAt());
  worker.shutdown();
  await worker.done;
  worker = await site.worker();
  assert.ok(Date.now() < (await service.openedAt()), 'too slow');
  const { verdict, completed, output_csv_path } = await job.result();
  assert.deepEqual([verdict, completed], ['succeeded', 30]);
  const rows = await readOutput(output_csv_path);
  assert.deepEqual(
    rows.map((row) => row['result_json']),
    rows.map((_, n) => String(n)),
  );
  const items = await itemsOf(site.client, job.jobId);
  assert.equal(items.length, 36);
});

it('a retried row that has met a limit and is cancelled then is cancelled, as the generation that it was to be', async () => {
  const spec = await limited({
    a:
      `if [ -e '${path('mended')}' ]; then report 1; exit 0; fi; ` +
      `if [ -e '${path('asked-again')}' ]; then echo 'over the limit'; exit 1; fi; exit 3`,
    b: `while [ ! -e '${path('b-ends-too')}' ]; do sleep 0.02; done; report 1`,
  });
  const job = await site.jobs.start(spec, { jobId: 'generations' });
  await until('a has failed', async () => (await job.status()).failed === 1);
  await site.file('asked-again', '');
  await job.retryItem('a');
  await paused(job);
  await job.cancelItem('a');
  await until('a is cancelled', async () => (await job.status()).cancelled === 1);
  await site.file('mended', '');
  await job.retryItem('a');
  await job.resume();
  await until('a is done', async () => (await job.status()).completed === 1);
  await site.file('b-ends-too', '');
  assert.equal((await job.result()).completed, 2);
  const items: string[] = [];
  for await (const { workflow_id } of job.items()) items.push(workflow_id);
  // The second one has met the limit, the third one was cancelled.
  assert.deepEqual(items, ['generations/a/4', 'generations/b']);
});

it('a retried row that meets a limit and is not started again is what it was', async () => {
  const spec = await limited({
    a: `if [ -e '${path('retried')}' ]; then echo 'over the limit'; exit 1; fi; exit 3`,
    b: `while [ ! -e '${path('b-ends')}' ]; do sleep 0.02; done; report 1`,
  });
  const job = await site.jobs.start(spec);
  await until('a has failed', async () => (await job.status()).failed === 1);
  await site.file('retried', '');
  await job.retryItem('a');
  await paused(job);
  await job.stop();
  await site.file('b-ends', '');
  const { verdict, completed, failed, output_csv_path } = await job.result();
  assert.deepEqual([verdict, completed, failed], ['partial', 1, 1]);
  const [a] = await readOutput(output_csv_path);
  assert.equal(a!['status'], 'failed');
});

/** Claude Code that is out of its quota until a file is there. */
const claude = (open: string) => `
echo '{"type":"assistant","message":{"id":"m","content":[],"usage":{"input_tokens":10,"output_tokens":1}}}'
if [ -e '${open}' ]; then
  report 1
  echo '{"type":"result","total_cost_usd":0.5,"usage":{"input_tokens":100,"output_tokens":10}}'
  exit
fi
echo '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":'$(( $(date +%s) + 3600 ))'}}'
echo '{"type":"assistant","error":"rate_limit","message":{"id":"n","content":[]}}'
echo '{"type":"result","is_error":true,"result":"You have hit your limit","total_cost_usd":0.25,"usage":{"input_tokens":20,"output_tokens":2}}'
exit 1
`;

it('counts what agents have used before they met it', async () => {
  const open = path('claude-open');
  const leave = await standIn(site, claude(open));
  try {
    const job = await site.jobs.start({
      csv_path: await site.file('claude.csv', 'id\na\nb\n'),
      id_column: 'id',
      instruction: 'do',
      agent: { preset: 'claude' },
      max_attempts: 3,
      max_concurrency: 2,
      report_grace_seconds: 0,
    });
    const { paused: pause } = await paused(job);
    assert.match(
      pause.reason,
      /^quota: [ab] exited with code 1 \(quota\): You have hit your limit/,
    );
    await until('both are back', async () => (await job.status()).running === 0);
    assert.equal((await statusOf(job)).usage?.cost_usd, 0.5);
    await writeFile(open, '');
    await job.resume();
    const { verdict, usage } = await job.result();
    assert.equal(verdict, 'succeeded');
    assert.deepEqual(usage, {
      input_tokens: 240,
      cached_input_tokens: 0,
      output_tokens: 24,
      cost_usd: 1.5,
    });
  } finally {
    leave();
  }
});

it('is looked for by a pattern that the worker can match', async () => {
  const { csv_path } = await lightSpec(site, { a: 'exit 1' });
  const run = (...options: string[]) =>
    cli(['run', csv_path, '--instruction', '{shell}', ...options, '--', 'touch', path('started')], {
      env: site.processEnv,
    });
  const backwards = await run('--quota-pattern', '(?<=limit)');
  assert.equal(backwards.code, 2);
  assert.match(backwards.stderr, /--quota-pattern: "\(\?<=limit\)" is not a pattern .*RE2 syntax/);
  const anything = await run('--quota-pattern', '.*');
  assert.match(anything.stderr, /--quota-pattern: also matches no output at all/);
  const code = await run('--quota-exit-code', '0');
  assert.match(code.stderr, /--quota-exit-code: Too small/);
  assert.equal(existsSync(path('started')), false);
});
