/**
 * What an agent may do: report for its own run, and nothing else. From a real agent process that tries.
 * What it can do where it runs as the user of its worker is told in `docs/security.md`.
 */
import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs } from '../src/client.js';
import type { JobSpec } from '../src/job.js';
import { runJob } from './support/ended-job.js';
import { lightSpec } from './support/light-agent.js';
import { ROOT, Site } from './support/site.js';
import { WorkerProcess } from './support/worker-process.js';

/** Of `nobody` and its group, on Linux. */
const NOBODY = 65534;
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

let site: Site;
let worker: WorkerProcess;
/** Readable by every user, unlike the site's folder. */
let open: string;
let intruder: string[];
before(async () => {
  site = await Site.open();
  open = await mkdtemp(join(tmpdir(), 'agent-jobs-open-'));
  await chmod(open, 0o755);
  await copyFile(join(ROOT, 'test/support/intruder.mjs'), join(open, 'intruder.mjs'));
  intruder = [process.execPath, join(open, 'intruder.mjs')];
  const env = { ...site.processEnv, TEST_SECRET: 'planted', AWS_SECRET_ACCESS_KEY: 'planted' };
  worker = await WorkerProcess.start(env, { cwd: site.folder });
});
after(async () => {
  WorkerProcess.killAll();
  await site.close();
  await rm(open, { recursive: true, force: true });
});

interface Tried {
  uid: number;
  variables: string[];
  worker: boolean | string;
  store: boolean | string;
  [attempt: string]: unknown;
}

/** Has an intruder work on a row. @returns what it has found. */
async function intrude(agent: Partial<JobSpec['agent']>): Promise<Tried> {
  const task = JSON.stringify({ worker: worker.pid, store: site.storeFolder });
  const csv_path = await site.file(
    'in.csv',
    stringify([
      ['id', 'task'],
      ['intruder', task],
    ]),
  );
  const { rows, summary } = await runJob(site, {
    csv_path,
    instruction: '{task}',
    id_column: 'id',
    agent: { command: intruder, workdir: open, ...agent } as JobSpec['agent'],
  });
  assert.equal(summary.verdict, 'succeeded', rows['intruder']?.error);
  return rows['intruder']!.result as Tried;
}

/** The same whoever the agent runs as. */
function assertConfined({ uid: _uid, variables, worker: _worker, store: _store, ...tried }: Tried) {
  assert.deepEqual(variables.toSorted(), [
    'AGENT_JOBS_ATTEMPT',
    'AGENT_JOBS_ITEM_ID',
    'AGENT_JOBS_JOB_ID',
    'AGENT_JOBS_MCP_URL',
    'AGENT_JOBS_REPORT_TOKEN',
    'AGENT_JOBS_REPORT_URL',
    'AGENT_JOBS_ROW_FILE',
  ]);
  assert.deepEqual(tried, {
    asOther: { item: 422, job: 422, run: 422, byMcp: true },
    without: 401,
    guessed: 401,
    elsewhere: {
      'GET /report': 404,
      'PUT /report': 404,
      'DELETE /report': 404,
      'GET /': 404,
      'GET /jobs': 404,
      'POST /report/../mcp/x': 404,
      'GET /../../../../etc/passwd': 404,
      'GET /mcp': 405,
    },
    otherTool: true,
    resources: true,
    rebinding: { host: 403, origin: 403 },
  });
}

test('an agent reports for its own run, and for nothing else; of Temporal it has nothing', async () => {
  // Even where the job asks for all of it to be passed.
  const tried = await intrude({ pass_env: ['TEMPORAL_*', 'AGENT_JOBS_*'] });
  assertConfined(tried);
  assert.equal(tried.uid, process.getuid?.());
});

test('its token is worth nothing at the endpoint of another worker', async () => {
  const taskQueue = `${site.taskQueue}-other`;
  const url = join(site.folder, 'other.url');
  const done = join(site.folder, 'other.done');
  await site.worker({ taskQueue });
  const jobs = new AgentJobs({ client: site.client, store: site.storeFolder, taskQueue });
  const other = await jobs.start(
    await lightSpec(site, {
      a: `echo $address >${url}.new; mv ${url}.new ${url}; until [ -e ${done} ]; do sleep 0.1; done; report 1`,
    }),
  );
  const { rows } = await runJob(
    site,
    await lightSpec(site, {
      a: `until [ -e ${url} ]; do sleep 0.1; done; via=$(cat ${url}) address=$(cat ${url}) report '"stolen"'; report '"own"'`,
    }),
  );
  assert.equal(rows['a']!.result, 'own');
  assert.match(rows['a']!.log, /^answer 401\nanswer 200$/m);
  await writeFile(done, '');
  assert.equal((await other.result()).verdict, 'succeeded');
});

test('the token of an earlier attempt does not report for a later one', async () => {
  const saved = join(site.folder, 'first.token');
  const first = `[ $AGENT_JOBS_ATTEMPT = 2 ] || { echo $AGENT_JOBS_REPORT_TOKEN >${saved}; exit 1; }`;
  const second = `(AGENT_JOBS_REPORT_TOKEN=$(cat ${saved}); report '"earlier"'); report '"later"'`;
  const spec = await lightSpec(site, { a: `${first}; ${second}` }, { max_attempts: 2 });
  const { rows } = await runJob(site, spec);
  const { status, result, attempts, error } = rows['a']!;
  assert.deepEqual(
    { status, result, attempts, error },
    { status: 'completed', result: 'later', attempts: 2, error: '' },
  );
});

test(
  'an agent that runs as another user sees neither its worker’s environment nor the job store',
  { skip: isRoot ? false : 'takes root, to become another user' },
  async () => {
    const user = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
    const command = ['setpriv', ...user, '--no-new-privs', '--', ...intruder];
    const tried = await intrude({ command });
    assertConfined(tried);
    assert.equal(tried.uid, NOBODY);
    assert.deepEqual([tried.worker, tried.store], ['EACCES', 'EACCES']);
  },
);

test(
  'an agent in a process namespace of its own does not see its worker',
  { skip: isRoot ? false : 'takes a system that lets this user make namespaces' },
  async () => {
    const apart = ['--map-current-user', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const tried = await intrude({ command: ['unshare', ...apart, '--', ...intruder] });
    assertConfined(tried);
    assert.equal(tried.worker, 'ENOENT');
  },
);
