/** `agent-jobs report`: from within an agent that has only a shell, and from outside. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MAIN, cli } from './support/cli.js';
import { Site, readOutput, until } from './support/site.js';

const SCHEMA = { type: 'object', properties: { label: { enum: ['bug', 'idea'] } } };

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

test('an agent in plain shell is told what is wrong, and corrects its result', async () => {
  const log = join(site.folder, 'log');
  const script = `
    report() { "${process.execPath}" "${MAIN}" report "$@"; echo "code $?"; }
    {
      report '{"label": "bgu"}'
      report 'label: bug'
      report '{"label": "bug"}'
      echo '{"label": "bug"}' | report --result-file - --json
      report '{"label": "idea"}'
      report '{"label": "bug"}' --item another
    } >"${log}" 2>&1`;
  const job = await site.jobs.start({
    csv_path: await site.file('in.csv', 'id\na\n'),
    instruction: 'x',
    id_column: 'id',
    output_schema: SCHEMA,
    agent: { command: ['sh', '-c', script] },
    // It goes on after its report.
    exit_grace_seconds: 300,
  });
  const { verdict, output_csv_path } = await job.result();
  const told = await readFile(log, 'utf8');
  const expected = [
    /^The report is refused:\n {2}\/label: .*"bug","idea".*\ncode 3\n/,
    /^agent-jobs: the result is not JSON: .*\ncode 2\n/,
    /^The report is accepted\.\ncode 0\n/,
    /^\{\n {2}"accepted": true,\n {2}"duplicate": true\n\}\ncode 0\n/,
    /^The report is refused:\n {2}another result was reported before\ncode 3\n/,
    /^The report is refused:\n {2}the report is of item_id another, this token is of item_id a\ncode 3\n$/,
  ];
  let rest = told;
  for (const each of expected) {
    assert.match(rest, each);
    rest = rest.replace(each, '');
  }
  assert.equal(verdict, 'succeeded');
  assert.equal((await readOutput(output_csv_path))[0]!['result_json'], '{"label":"bug"}');
});

test('an agent whose worker is gone is told so', async () => {
  const env = {
    ...site.processEnv,
    AGENT_JOBS_REPORT_URL: 'http://127.0.0.1:1/report',
    AGENT_JOBS_REPORT_TOKEN: 'x',
  };
  const { code, stderr } = await cli(['report', '1'], { env });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^agent-jobs: the worker does not answer at http:\/\/127\.0\.0\.1:1\/report/,
  );
});

test('from outside, an item is named; --stop ends the job', async () => {
  const job = await site.jobs.start(
    {
      csv_path: await site.file('external.csv', 'id\nrow A\nb\n'),
      instruction: 'x',
      id_column: 'id',
      output_schema: SCHEMA,
      max_concurrency: 1,
      agent: { external: true },
    },
    { jobId: 'outside' },
  );
  await until('the item runs', async () => (await job.status()).running === 1);
  const report = (...args: string[]) =>
    cli(['report', ...args, '--job', 'outside', '--item', 'row A'], { env: site.processEnv });

  const refused = await report('{"label": 1}', '--json');
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /^ {2}\/label: /m);
  assert.equal((JSON.parse(refused.stdout) as { accepted: boolean }).accepted, false);
  const otherRun = await report('{"label": "bug"}', '--run', '7');
  assert.deepEqual([otherRun.code, otherRun.stdout], [3, '']);

  const accepted = await report('{"label": "bug"}', '--stop');
  assert.deepEqual([accepted.code, accepted.stdout], [0, 'The report is accepted.\n']);
  const { verdict, completed, pending } = await job.result();
  assert.deepEqual([verdict, completed, pending], ['stopped', 1, 1]);
  const late = await report('{"label": "bug"}');
  assert.equal(late.code, 3);
  assert.match(late.stderr, /no such item runs: it has ended, or has not been started/);
});
