/** The real Codex and Claude Code as agents, with mock models behind them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import type { FailureClass, JobSpec, Json, Preset } from '../../src/job.js';
import { Site, until } from '../support/site.js';
import { type Mocked, mockedPrograms } from './mocked.js';

let site: Site;
let mocked: Mocked;
before(async () => {
  site = await Site.open();
  mocked = await mockedPrograms(site.folder);
  await site.worker();
});
after(async () => {
  await site.close();
  await mocked.close();
});

interface OutputRow {
  item_id: string;
  status: string;
  attempt_count: number;
  last_error: string;
  failure_class: FailureClass | '';
  refused_reports: number;
  usage: { attempt: number; input_tokens: number; output_tokens: number; cost_usd?: number }[];
  result?: Json;
}

let jobs = 0;
/** Starts a job with a row for each directive to the model. */
async function start(
  preset: Preset,
  directives: Record<string, string>,
  spec: Partial<JobSpec> = {},
) {
  const name = `${preset}-${(jobs += 1)}`;
  const rows = [['id', 'directive'], ...Object.entries(directives)];
  const output = join(site.folder, `${name}.jsonl`);
  const job = await site.jobs.start({
    csv_path: await site.file(`${name}.csv`, stringify(rows)),
    output_csv_path: output,
    id_column: 'id',
    instruction: 'MODEL {directive}',
    agent: { preset, workdir: site.folder },
    ...spec,
  });
  return { job, output };
}

/** Runs a job to its end. */
async function run(...asked: Parameters<typeof start>) {
  const { job, output } = await start(...asked);
  const summary = await job.result().catch(() => job.status());
  const rows = (await readFile(output, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputRow);
  return { summary, rows: Object.fromEntries(rows.map((row) => [row.item_id, row])) };
}

const LABELS: JobSpec['output_schema'] = {
  type: 'object',
  properties: { label: { enum: ['a', 'b'] } },
  required: ['label'],
};
/** What takes the tool's permission away. */
const DENIED = {
  codex: ['-c', 'mcp_servers.agent_jobs.default_tools_approval_mode="prompt"'],
  claude: ['--disallowedTools=mcp__agent_jobs__report_agent_job_result'],
};
/** Nothing listens there. */
const NOWHERE = {
  codex: { args: ['-c', 'model_providers.mock.base_url="http://127.0.0.1:9/v1"'] },
  claude: { args: ['--settings={"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:9"}}'] },
};
const COUNTS = { codex: 64, claude: 32 };

for (const preset of ['codex', 'claude'] as const) {
  describe(preset, () => {
    it(`${COUNTS[preset]} rows, all completed with their own results`, async () => {
      const ids = Array.from({ length: COUNTS[preset] }, (_, n) => `r${n}`);
      const { summary, rows } = await run(
        preset,
        Object.fromEntries(ids.map((id) => [id, `report {"of":"${id}"}`])),
        { max_concurrency: 16 },
      );
      assert.equal(existsSync(mocked.ownServerStarted), false);
      assert.equal(summary.completed, ids.length, JSON.stringify(summary.failures, null, 1));
      for (const id of ids) assert.deepEqual(rows[id]!.result, { of: id });
    });

    it('mends what the schema refuses, and its tokens are counted', async () => {
      const { rows, summary } = await run(
        preset,
        { mended: 'report {"label":"c"} THEN report {"label":"b"}', right: 'report {"label":"a"}' },
        { output_schema: LABELS },
      );
      assert.deepEqual(rows['mended']!.result, { label: 'b' });
      assert.equal(rows['mended']!.refused_reports, 1);
      assert.equal(rows['right']!.refused_reports, 0);
      // A model that is asked once more is asked with more.
      const [mended, right] = [rows['mended']!.usage, rows['right']!.usage];
      assert.deepEqual([mended.length, right.length, mended[0]!.attempt], [1, 1, 1]);
      assert.ok(mended[0]!.input_tokens > right[0]!.input_tokens);
      const { usage } = summary;
      assert.equal(usage!.input_tokens, mended[0]!.input_tokens + right[0]!.input_tokens);
      assert.equal(usage!.output_tokens, mended[0]!.output_tokens + right[0]!.output_tokens);
      assert.equal('cost_usd' in usage!, preset === 'claude');
    });

    it('says why it has not reported', async () => {
      const { rows } = await run(
        preset,
        {
          silent: 'silent',
          unauthorized: 'unauthorized',
          refuse: 'refuse',
        },
        { max_attempts: 1 },
      );
      const told = Object.fromEntries(
        Object.entries(rows).map(([id, { failure_class, last_error }]) => [
          id,
          [failure_class, last_error.split(' ')[0]],
        ]),
      );
      // Of a refusal, Codex tells nothing.
      const refusal = preset === 'claude' ? ['refusal', 'agent_error:'] : ['', 'no_report:'];
      assert.deepEqual(told, {
        silent: ['', 'no_report:'],
        unauthorized: ['login', 'agent_error:'],
        refuse: refusal,
      });
    });

    it('pauses the job at a rate limit and at a quota, and fails no row for it', async () => {
      for (const [directive, told] of [
        ['rate-limited', /^quota: .*\(rate_limited\): .*429/],
        ['quota', /^quota: .*\(quota\): /],
      ] as const) {
        const { job } = await start(preset, { limited: directive });
        const { reason } = await until(
          `the job is paused: ${directive}`,
          async () => (await job.status()).paused ?? undefined,
        );
        assert.match(reason, told);
        await job.stop();
        const { verdict, failed, pending } = await job.result();
        assert.deepEqual([verdict, failed, pending], ['stopped', 0, 1]);
      }
    });

    it('says that its model cannot be reached', async () => {
      const { rows } = await run(
        preset,
        { unreachable: 'silent' },
        { agent: { preset, workdir: site.folder, ...NOWHERE[preset] } },
      );
      assert.equal(rows['unreachable']!.failure_class, 'model_unreachable');
    });

    it('says that it may not report', async () => {
      const { rows } = await run(
        preset,
        { denied: 'report 1' },
        { agent: { preset, workdir: site.folder, args: DENIED[preset] } },
      );
      assert.equal(rows['denied']!.failure_class, 'permission_denied', rows['denied']!.last_error);
    });

    it('keeps what it did, also as text', async () => {
      const { summary } = await run(preset, { one: 'report {"label":"kept"}' });
      const runs = await site.jobs.job(summary.job_id).logs('one');
      assert.equal(runs.length, 1);
      const lines = runs[0]!.transcript!;
      assert.match(lines.join('\n'), /> (mcp__agent_jobs__)?report_agent_job_result .*"kept"/);
      assert.match(lines.join('\n'), /accepted/);
    });
  });
}
