/** The commands of a job's user before and after each agent. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AgentSurroundings } from '../src/job.js';
import { LIGHT_AGENT, lightSpec } from './support/light-agent.js';
import { isGone, pidsIn } from './support/processes.js';
import { repository } from './support/repository.js';
import { Site, readOutput, until } from './support/site.js';

let site: Site;
before(async () => {
  process.env['TEST_WITHHELD'] = 'secret';
  process.env['TEST_PASSED'] = 'passed';
  site = await Site.open();
  await site.worker();
});
after(async () => {
  await site.close();
  delete process.env['TEST_WITHHELD'];
  delete process.env['TEST_PASSED'];
});

/** Runs a job of one row. @returns the row, and what is kept of its first run. */
async function runRow(
  shell: string,
  agent: AgentSurroundings,
  limits: { max_runtime_seconds?: number; max_attempts?: number } = {},
) {
  const spec = await lightSpec(site, { a: shell }, { report_grace_seconds: 0, ...limits });
  const job = await site.jobs.start({ ...spec, agent: { command: LIGHT_AGENT, ...agent } });
  await job.result().catch(() => {});
  const { output_csv_path } = await job.status();
  const [row] = await readOutput(output_csv_path!);
  const log = (run = '1.1') =>
    readFile(join(site.storeFolder, 'jobs', job.jobId, `logs/0.${run}.txt`), 'utf8');
  return { row: row!, log };
}

test('setup, agent and teardown work in one folder, one after the other, and the log has all three', async () => {
  const repo = await repository(join(site.folder, 'order'), { 'a.txt': 'a\n' });
  const seen = join(site.folder, 'seen');
  const { row, log } = await runRow('echo agent >>steps; echo agent says; report 1', {
    workdir: repo,
    isolate: 'worktree',
    pass_env: ['TEST_PASSED'],
    setup: `echo setup >>steps; env >${seen}.setup; cat "$AGENT_JOBS_ROW_FILE" >${seen}.row; echo '{shell}' $(( 1 + 1 ))`,
    teardown: `echo teardown >>steps; env >${seen}.teardown; cat steps; echo >&2 done`,
  });
  assert.equal(row['status'], 'completed', row['last_error']);
  assert.equal(
    await log(),
    [
      `--- setup: echo setup >>steps; env >${seen}.setup; cat "$AGENT_JOBS_ROW_FILE" >${seen}.row; echo '{shell}' $(( 1 + 1 )) ---`,
      '{shell} 2',
      '--- agent ---',
      'agent says',
      'answer 200',
      `--- teardown: echo teardown >>steps; env >${seen}.teardown; cat steps; echo >&2 done ---`,
      'setup',
      'agent',
      'teardown',
      'done',
      '',
    ].join('\n'),
  );
  // The patch is what was there when the agent ended.
  assert.deepEqual((await readFile(row['patch']!, 'utf8')).match(/^\+\w.*/gm), [
    '+setup',
    '+agent',
  ]);
  assert.deepEqual(JSON.parse(await readFile(`${seen}.row`, 'utf8')), {
    id: 'a',
    shell: 'echo agent >>steps; echo agent says; report 1',
  });
  for (const step of ['setup', 'teardown']) {
    const env = await readFile(`${seen}.${step}`, 'utf8');
    assert.match(env, /^AGENT_JOBS_ITEM_ID=a$/m);
    assert.match(env, /^AGENT_JOBS_ATTEMPT=1$/m);
    assert.match(env, /^TEST_PASSED=passed$/m);
    assert.doesNotMatch(env, /REPORT_TOKEN|TEST_WITHHELD/);
  }
});

test('after a setup that fails no agent is started, and another attempt may fare better', async () => {
  const times = join(site.folder, 'times');
  const started = join(site.folder, 'started');
  const agent = {
    workdir: site.folder,
    setup: `echo x >>${times}; echo attempt $AGENT_JOBS_ATTEMPT failed >&2; [ $AGENT_JOBS_ATTEMPT = 3 ]`,
    teardown: `echo torn down`,
  };
  const failed = await runRow(`touch ${started}; report 1`, agent, { max_attempts: 2 });
  assert.equal(failed.row['last_error'], 'agent_error: setup exited with code 1: attempt 2 failed');
  assert.equal(failed.row['attempt_count'], '2');
  assert.match(
    await failed.log(),
    /^--- setup: .*\nattempt 1 failed\n--- teardown: .*\ntorn down\n$/,
  );
  await assert.rejects(readFile(started));
  const better = await runRow('report 1', agent, { max_attempts: 3 });
  assert.equal(better.row['status'], 'completed');
  assert.equal(better.row['attempt_count'], '3');
});

test('what setup leaves running serves the agent, and ends with the run', async () => {
  const pids = join(site.folder, 'servers');
  const { row } = await runRow(`read -r first <${pids}; kill -0 $first && report 1`, {
    workdir: site.folder,
    setup: `sleep 1000 & echo $! >>${pids}; setsid sleep 1000 & sleep 0.1; echo $! >>${pids}`,
    teardown: `kill -0 $(head -1 ${pids}) && touch ${pids}.there`,
  });
  assert.equal(row['status'], 'completed', row['last_error']);
  await readFile(`${pids}.there`);
  const servers = await pidsIn(pids);
  assert.equal(servers.length, 2);
  // The second is a session of its own: only Linux tells whose it is.
  if (process.platform !== 'linux') process.kill(servers.pop()!);
  for (const pid of servers) assert.ok(await isGone(pid));
});

test('a teardown comes also after a timeout; if it fails, that is noted and no more', async () => {
  const late = await runRow(
    'sleep 1000',
    { workdir: site.folder, teardown: `touch ${site.folder}/after-timeout` },
    { max_runtime_seconds: 1 },
  );
  assert.match(late.row['last_error']!, /^timed_out/);
  await readFile(join(site.folder, 'after-timeout'));
  const { row, log } = await runRow('report 1', {
    workdir: site.folder,
    teardown: 'echo broken; exit 7',
  });
  assert.equal(row['status'], 'completed');
  assert.match(await log(), /\nbroken\n--- teardown exited with code 7 ---\n$/);
});

test('the time of setup is not the agent’s, and a cancel ends it', async () => {
  const slow = await runRow(
    'sleep 0.2; report 1',
    { workdir: site.folder, setup: 'sleep 7' },
    { max_runtime_seconds: 5 },
  );
  assert.equal(slow.row['status'], 'completed', slow.row['last_error']);
  const began = join(site.folder, 'setup-began');
  const torn = join(site.folder, 'setup-torn-down');
  const spec = await lightSpec(site, { a: 'report 1' });
  const job = await site.jobs.start({
    ...spec,
    agent: {
      command: LIGHT_AGENT,
      workdir: site.folder,
      setup: `echo $$ >${began}; exec sleep 1000`,
      teardown: `touch ${torn}`,
    },
  });
  const [pid] = await until('its setup', async () => {
    const pids = await pidsIn(began);
    return pids.length > 0 && pids;
  });
  await job.cancel();
  await job.result().catch(() => {});
  assert.ok(await isGone(pid!));
  await readFile(torn);
});
