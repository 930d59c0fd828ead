/** The real Codex and Claude Code as agents, with mock models behind them. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import type { FailureClass, JobSpec, Json, Preset } from '../../src/job.js';
import { Site } from '../support/site.js';
import { startMessagesModel } from './messages-model.js';
import type { ModelServer } from './model-server.js';
import { installedPrograms } from './programs.js';
import { startResponsesModel } from './responses-model.js';

let site: Site;
const models: ModelServer[] = [];
before(async () => {
  const { codex, claude } = await installedPrograms();
  site = await Site.open();
  const [responses, messages] = await Promise.all([startResponsesModel(), startMessagesModel()]);
  models.push(responses, messages);
  const [codexHome, claudeHome] = [join(site.folder, 'codex'), join(site.folder, 'claude')];
  await Promise.all([mkdir(codexHome), mkdir(claudeHome)]);
  await writeFile(
    join(codexHome, 'config.toml'),
    `model = "mock-model"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "${responses.url}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
`,
  );
  Object.assign(process.env, {
    PATH: [dirname(codex), dirname(claude), process.env['PATH']].join(delimiter),
    CODEX_HOME: codexHome,
    OPENAI_API_KEY: 'mock',
    CLAUDE_CONFIG_DIR: claudeHome,
    ANTHROPIC_BASE_URL: messages.url,
    ANTHROPIC_API_KEY: 'mock',
  });
  await site.worker();
});
after(async () => {
  await site.close();
  await Promise.all(models.map((model) => model.close()));
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
/** Runs a job with a row for each directive to the model. */
async function run(
  preset: Preset,
  directives: Record<string, string>,
  spec: Partial<JobSpec> = {},
) {
  const name = `${preset}-${(jobs += 1)}`;
  const rows = [['id', 'directive'], ...Object.entries(directives)];
  const job = await site.jobs.start({
    csv_path: await site.file(`${name}.csv`, stringify(rows)),
    output_csv_path: join(site.folder, `${name}.jsonl`),
    id_column: 'id',
    instruction: 'MODEL {directive}',
    agent: { preset, workdir: site.folder },
    ...spec,
  });
  const summary = await job.result().catch(() => job.status());
  const text = await readFile(join(site.folder, `${name}.jsonl`), 'utf8');
  const output = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputRow);
  return { summary, rows: Object.fromEntries(output.map((row) => [row.item_id, row])) };
}

const labels = { type: 'object', properties: { label: { enum: ['a', 'b'] } }, required: ['label'] };

for (const preset of ['codex', 'claude'] as const) {
  describe(preset, () => {
    it('reports by the tool, and mends what the schema refuses', async () => {
      const { rows, summary } = await run(
        preset,
        {
          right: 'report {"label":"a"}',
          mended: 'report {"label":"c"} THEN report {"label":"b"}',
          silent: 'silent',
        },
        { output_schema: labels as JobSpec['output_schema'] },
      );
      console.error(JSON.stringify({ rows, summary }, null, 1));
      assert.equal(summary.completed, 2);
    });
  });
}
