/** A real agent that gives a batch to other real agents. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'csv-stringify/sync';
import { ROOT, Site, readOutput } from '../support/site.js';
import { type Mocked, mockedPrograms } from './mocked.js';

const execute = promisify(execFile);

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

it('Codex spawns Codex on a CSV, and gets the answer that it knows', async () => {
  const settings = ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'AGENT_JOBS_STORE'];
  const own = [...settings, 'AGENT_JOBS_TASK_QUEUE'].map(
    (name) => `${name} = ${JSON.stringify(site.processEnv[name])}`,
  );
  await appendFile(
    join(mocked.codexHome, 'config.toml'),
    `[mcp_servers.agent-jobs]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(join(ROOT, 'dist/cli/main.js'))}, "mcp"]
default_tools_approval_mode = "approve"
required = true
startup_timeout_sec = 120
tool_timeout_sec = 300
[mcp_servers.agent-jobs.env]
${own.join('\n')}
`,
  );
  const rows = Array.from({ length: 8 }, (_, n) => [`r${n}`, `report {"label":"${n}"}`]);
  // One that says nothing: the answer has to be honest about it.
  rows.push(['mute', 'silent']);
  await site.file('rows.csv', stringify([['id', 'directive'], ...rows]));
  const args = {
    csv_path: 'rows.csv',
    id_column: 'id',
    instruction: 'MODEL {directive}',
    output_csv_path: 'out.csv',
    max_workers: 4,
    wait_seconds: 250,
  };
  const command = ['exec', '--json', '--ephemeral', '--skip-git-repo-check'];
  const calling = execute('codex', [...command, '-'], { cwd: site.folder });
  calling.child.stdin!.end(`MODEL call spawn_agents_on_csv ${JSON.stringify(args)}`);
  const { stdout } = await calling;

  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; item?: Record<string, unknown> });
  const call = events.find(
    ({ type, item }) => type === 'item.completed' && item?.['type'] === 'mcp_tool_call',
  );
  const { structured_content } = call!.item!['result'] as {
    structured_content: Record<string, unknown>;
  };
  const { job_id, failed_item_errors, ...answer } = structured_content;
  assert.deepEqual(answer, {
    status: 'partial',
    output_csv_path: join(site.folder, 'out.csv'),
    total_items: 9,
    completed_items: 8,
    failed_items: 1,
    job_error: null,
  });
  assert.deepEqual(
    (failed_item_errors as { item_id: string }[]).map(({ item_id }) => item_id),
    ['mute'],
  );
  const output = await readOutput(join(site.folder, 'out.csv'));
  assert.deepEqual(
    output.map(({ id, job_id: job, result_json }) => [id, job === job_id, result_json]),
    rows.map(([id], n) => [id, true, id === 'mute' ? '' : `{"label":"${n}"}`]),
  );
});
