import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { AGENT, ROOT, Site, readOutput } from './support/site.js';

const execute = promisify(execFile);

let site: Site;
let folder: string;
before(async () => {
  site = await Site.open();
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-package-'));
});
after(async () => {
  await site.close();
  await rm(folder, { recursive: true, force: true });
});

test('the package installs into an empty folder and runs a job there', async () => {
  // Without its scripts: they would build anew under the feet of other tests.
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const packed = await execute('npm', pack, { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(packed.stdout) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = files.map(({ path }) => path);
  for (const path of [
    'dist/workflow-bundle.js',
    'dist/workflow-bundle-traced.js',
    'docs/grafana-dashboard.json',
    'dist/report-page.html',
    'temporal-dev.sh',
    'LICENSE',
    'README.md',
  ]) {
    assert.ok(paths.includes(path), `${path} is not in the package`);
  }
  assert.deepEqual(
    paths.filter((path) => /^(src|test|node_modules)\//.test(path)),
    [],
  );

  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await execute('npm', ['install', '--prefer-offline', '--no-audit', `./${filename}`], {
    cwd: folder,
  });
  const installed = join(folder, 'node_modules', '.bin', 'agent-jobs');
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal((await execute(installed, ['--version'])).stdout.trim(), version);

  const worker = spawn(installed, ['worker'], {
    cwd: folder,
    env: site.processEnv,
    stdio: 'ignore',
  });
  const spec = await site.spec({ a: [['report', 'one']], b: [['report', 'two']] });
  const output = join(folder, 'out.csv');
  const { stdout } = await execute(
    installed,
    [
      ...['run', spec.csv_path, '--instruction', '{steps}', '--output', output, '--json'],
      ...['--', ...AGENT],
    ],
    { cwd: folder, env: site.processEnv },
  );
  worker.kill('SIGTERM');
  await once(worker, 'exit');
  const summary = JSON.parse(stdout) as { verdict: string; completed: number };
  assert.deepEqual([summary.verdict, summary.completed], ['succeeded', 2]);
  assert.deepEqual(
    (await readOutput(output)).map(({ result_json }) => result_json),
    ['"one"', '"two"'],
  );

  const program = `import { AgentJobs } from 'agent-jobs'; console.log(typeof AgentJobs.connect);`;
  await writeFile(join(folder, 'program.mjs'), program);
  const library = await execute(process.execPath, ['program.mjs'], { cwd: folder });
  assert.equal(library.stdout.trim(), 'function');
});
