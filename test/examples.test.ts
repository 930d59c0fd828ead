/** The examples, each as a process of its own, on a real server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobSpec } from '../src/client.js';
import { freePort } from './support/free-port.js';
import { ROOT, Site, readOutput } from './support/site.js';

const TICKETS = join(ROOT, 'examples/tickets.csv');
const TICKET_COUNT = 20;
const CLI = join(ROOT, 'dist/cli/main.js');
const AUDIT = 'examples/dependency-audit/out/audit.csv';

function node(args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function start(file: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return node(['--import', 'tsx', join(ROOT, 'examples', file), ...args], env);
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

  it('shell-agent.sh reports by the command line', async () => {
    // As where the package is installed: the command is on the agents' PATH.
    const program = await site.file(
      'agent-jobs',
      `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`,
    );
    await chmod(program, 0o755);
    const path = [site.folder, process.env['PATH']].join(delimiter);
    const job = await site.jobs.start(
      tickets('shell.csv', {
        command: ['env', `PATH=${path}`, join(ROOT, 'examples/shell-agent.sh')],
      }),
    );
    const { output_csv_path } = await job.result();
    assert.deepEqual((await results(output_csv_path)).get('T-1004'), { words: 5 });
  });
});

/** What npm noted of an installed package. */
interface Installed {
  license?: string;
  hasInstallScript?: boolean;
  dependencies?: object;
}

/** What npm says is installed, by the path below `node_modules`. */
async function installed(): Promise<Map<string, Installed>> {
  const lockfile = await readFile(join(ROOT, 'node_modules/.package-lock.json'), 'utf8');
  const { packages } = JSON.parse(lockfile) as { packages: Record<string, Installed> };
  const paths = Object.keys(packages).map((path) => path.replace(/^node_modules\//, ''));
  return new Map(paths.toSorted().map((path) => [path, packages[`node_modules/${path}`]!]));
}

describe('the demo', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-jobs-demo-'));
    const profiles = join(folder, 'temporal.toml');
    await writeFile(profiles, '[profile.default]\n');
    const [port, uiPort] = [await freePort(), await freePort()];
    // Nothing of the developer's: neither a server nor its state, nor other settings.
    const inherited = Object.entries(process.env).filter(
      ([name]) => name === 'TEMPORAL_CLI' || !/^(TEMPORAL|AGENT_JOBS)_/.test(name),
    );
    env = {
      ...Object.fromEntries(inherited),
      XDG_STATE_HOME: folder,
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
      TEMPORAL_DEV_UI_PORT: String(uiPort),
      TEMPORAL_DEV_DB: join(folder, 'dev.db'),
      TEMPORAL_CONFIG_FILE: profiles,
    };
  });
  after(async () => {
    const { code, stderr } = await ending(node([CLI, 'local', 'down'], env));
    assert.equal(code, 0, stderr);
    await rm(folder, { recursive: true, force: true });
  });

  it('audits every installed package, and may be run again', async () => {
    const first = await ending(start('dependency-audit/demo.ts', [], env));
    assert.equal(first.code, 0, first.stderr);
    const jobId = /^Job (\S+): succeeded\. (\d+) of \2 rows completed/m.exec(first.stdout)?.[1];
    assert.ok(jobId !== undefined, first.stdout);
    const webUi = `http://127.0.0.1:${env['TEMPORAL_DEV_UI_PORT']}/namespaces/default/workflows/${jobId}`;
    assert.ok(first.stdout.includes(join(ROOT, AUDIT)), first.stdout);
    assert.ok(first.stdout.trimEnd().endsWith(webUi), first.stdout);
    assert.equal((await fetch(webUi)).status, 200);

    const rows = await readOutput(join(ROOT, AUDIT));
    assert.ok(rows.length > 100, `${rows.length} packages`);
    assert.deepEqual(
      new Set(rows.map(({ job_id, status }) => `${job_id} ${status}`)),
      new Set([`${jobId} completed`]),
    );
    const packages = await installed();
    assert.deepEqual(
      rows.map(({ path }) => path),
      [...packages.keys()],
    );
    for (const { path, result_json } of rows) {
      const noted = packages.get(path!)!;
      const { licence, install_scripts, dependency_count, ...audited } = JSON.parse(result_json!);
      assert.equal(licence, noted.license ?? null, path);
      assert.equal(install_scripts.length > 0, noted.hasInstallScript ?? false, path);
      assert.equal(dependency_count, Object.keys(noted.dependencies ?? {}).length, path);
      assert.ok(audited.unpacked_bytes > audited.file_count, path);
    }

    const second = await ending(start('dependency-audit/demo.ts', ['--detach'], env));
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stdout, /^dependency-audit-\S+\n$/);
    assert.notEqual(second.stdout.trim(), jobId);
  });
});
