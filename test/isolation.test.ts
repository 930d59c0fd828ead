/** Where agents work: folders by row, and worktrees whose changes are kept. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, readdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { type JobSpec, JobRefused } from '../src/client.js';
import { LIGHT_AGENT, lightSpec, rowsOf } from './support/light-agent.js';
import { git, repository, stateOf } from './support/repository.js';
import { Site, readOutput, until } from './support/site.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker({ concurrency: 40 });
});
after(() => site.close());

/** A job of light agents in worktrees. */
async function isolated(
  workdir: string,
  rows: Record<string, string>,
  spec: Partial<JobSpec> = {},
): Promise<JobSpec> {
  const agent = { command: LIGHT_AGENT, workdir, isolate: 'worktree' as const };
  return lightSpec(site, rows, { agent, report_grace_seconds: 0, ...spec });
}

async function outputOf(spec: JobSpec): Promise<Record<string, string>[]> {
  const job = await site.jobs.start(spec);
  await job.result().catch(() => {});
  const { output_csv_path } = await job.status();
  return readOutput(output_csv_path!);
}

/** What is in a repository after a patch: paths and contents, without git's own. */
async function applied(repo: string, patch: string): Promise<Record<string, string>> {
  const copy = `${patch}.applied`;
  await git(site.folder, 'clone', '--quiet', repo, copy);
  await git(copy, 'apply', '--index', patch);
  const files: Record<string, string> = {};
  for (const entry of await readdir(copy, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(copy.length + 1);
    if (entry.isFile() && !path.startsWith('.git/')) {
      files[path] = await readFile(join(copy, path), 'latin1');
    }
  }
  return files;
}

test('40 rows at once in one repository: each has its own change, and nothing of them is left', async () => {
  const repo = await repository(join(site.folder, 'forty'), { 'src/a.txt': 'a\n', 'b.txt': 'b\n' });
  const before = await stateOf(repo);
  const all = join(site.folder, 'all-run');
  // All are there at the same time.
  const rows = rowsOf(
    40,
    (n) =>
      `echo x >>${all}; until [ $(wc -l <${all}) -ge 40 ]; do sleep 0.1; done; ` +
      `echo ${n} >>a.txt; echo new >../n${n}.txt; report '"'$PWD'"'`,
  );
  const output = await outputOf(
    await isolated(join(repo, 'src'), rows, { max_concurrency: 40, report_grace_seconds: 5 }),
  );
  assert.equal(output.length, 40);
  const folders = new Set<string>();
  for (const [n, row] of output.entries()) {
    assert.equal(row['status'], 'completed', row['last_error']);
    const folder = JSON.parse(row['result_json']!) as string;
    folders.add(folder);
    assert.ok(folder.endsWith('/src'));
    assert.equal(existsSync(folder), false);
    assert.equal(row['patch'], join(await storeOf(row), `patches/${n}.1.1.patch`));
    if (n % 8 === 0) {
      assert.deepEqual(await applied(repo, row['patch']!), {
        'src/a.txt': `a\n${n}\n`,
        'b.txt': 'b\n',
        [`n${n}.txt`]: 'new\n',
      });
    } else {
      const patch = await readFile(row['patch']!, 'utf8');
      assert.deepEqual(patch.match(/^\+\w.*/gm), ['+new', `+${n}`]);
    }
  }
  assert.equal(folders.size, 40);
  assert.deepEqual(await stateOf(repo), before);
});

async function storeOf({ job_id }: Record<string, string>): Promise<string> {
  return join(site.storeFolder, 'jobs', job_id!);
}

test('a patch gives all that was changed, whatever the agent made of its worktree', async () => {
  const files = {
    'keep.txt': 'kept\n',
    'gone.txt': 'gone\n',
    'old name.txt': 'one\ntwo\nthree\nfour\n',
    'run.sh': 'true\n',
    'latin.txt': 'plain\n',
    '.gitignore': 'ignored\n',
  };
  const repo = await repository(join(site.folder, 'changes'), files);
  await git(repo, 'config', 'diff.noprefix', 'true');
  await git(repo, 'config', 'diff.submodule', 'log');
  await git(repo, 'config', 'color.ui', 'always');
  await writeFile(join(repo, '.git/hooks/post-checkout'), `#!/bin/sh\ntouch ${repo}/hook\n`);
  await chmod(join(repo, '.git/hooks/post-checkout'), 0o755);
  const before = await stateOf(repo);
  const objects = await git(repo, 'count-objects', '--verbose');
  const me = 'git -c user.name=A -c user.email=a@b';
  const change = `printf 'caf\\351\\n' >latin.txt; printf '\\000\\001\\002' >bin; rm gone.txt; \
    mv 'old name.txt' 'new name.txt'; mkdir sub; echo ü >'sub/ü x'; echo no >ignored; chmod +x run.sh`;
  const changed = {
    'keep.txt': 'kept\n',
    'new name.txt': files['old name.txt'],
    'run.sh': 'true\n',
    'latin.txt': 'caf\xe9\n',
    '.gitignore': 'ignored\n',
    bin: '\0\x01\x02',
    'sub/ü x': 'Ã¼\n',
  };
  const output = await outputOf(
    await isolated(repo, {
      left: `${change}; report 1`,
      staged: `${change}; git add -A; report 1`,
      locked: `${change}; git add -A; touch $(git rev-parse --git-path index.lock); report 1`,
      unlinked: `${change}; rm .git; report 1`,
      nested: `${change}; mkdir in && git init -q in && echo x >in/x; report 1`,
      worktreeLocked: `${change}; git worktree lock .; mkdir -p ro/x; touch ro/x/y; chmod 500 ro/x; rm -rf ignored; echo ro >>$(git rev-parse --git-path info/exclude); report 1`,
      nothing: 'report 1',
      failed: `${change}; exit 3`,
    }),
  );
  const patchOf = (id: string) => output.find((row) => row['id'] === id)!['patch']!;
  for (const id of ['left', 'staged', 'locked', 'unlinked', 'nested', 'worktreeLocked']) {
    assert.notEqual(patchOf(id), '', id);
    const { 'sub/ü x': utf8, ...rest } = await applied(repo, patchOf(id));
    assert.deepEqual({ ...rest, 'sub/ü x': utf8 }, changed, id);
    assert.match(await readFile(patchOf(id), 'latin1'), /old mode 100644\nnew mode 100755/);
  }
  assert.equal(patchOf('nothing'), '');
  // It is kept, but did not count.
  assert.equal(patchOf('failed'), '');
  const { job_id } = output[0]!;
  assert.ok(existsSync(join(site.storeFolder, 'jobs', job_id!, 'patches/7.1.1.patch')));
  const log = await readFile(join(site.storeFolder, 'jobs', job_id!, 'logs/4.1.1.txt'), 'utf8');
  assert.match(log, /--- the patch of this run lacks something: .*in\/.* ---/);
  assert.deepEqual(await stateOf(repo), before);
  assert.equal(existsSync(join(repo, 'hook')), false);

  // Commits are objects of the repository, as those of any worktree are.
  assert.match(objects, /^count: /);
  const [committed] = await outputOf(
    await isolated(repo, {
      c: `${change}; git add -A; ${me} commit -qm done; ${me} -c core.hooksPath=/dev/null checkout -q --detach; echo more >>keep.txt; report 1`,
    }),
  );
  assert.equal((await applied(repo, committed!['patch']!))['keep.txt'], 'kept\nmore\n');
  assert.deepEqual(await stateOf(repo), before);
});

test('a patch that is too large is not kept, and the log says so', async () => {
  const repo = await repository(join(site.folder, 'large'), { 'a.txt': 'a\n' });
  const rows = { big: 'head -c 60000000 /dev/urandom >big; report 1' };
  const [row] = await outputOf(await isolated(repo, rows));
  assert.equal(row!['status'], 'completed');
  assert.equal(row!['patch'], '');
  const folder = join(site.storeFolder, 'jobs', row!['job_id']!);
  assert.equal(existsSync(join(folder, 'patches')), false);
  assert.match(
    await readFile(join(folder, 'logs/0.1.1.txt'), 'utf8'),
    /--- the patch of this run is not kept: it is larger than 67108864 bytes ---/,
  );
});

test('all rows start from the commit that was there when the job began', async () => {
  const repo = await repository(join(site.folder, 'moves'), { 'a.txt': 'first\n' });
  const rows = rowsOf(
    3,
    (n) => `until [ -e ${repo}/../moved-${n} ]; do sleep 0.05; done; cat a.txt >b.txt; report 1`,
  );
  const job = await site.jobs.start(await isolated(repo, rows, { max_concurrency: 1 }));
  await until('the first runs', async () => (await job.status()).running === 1);
  await writeFile(join(repo, 'a.txt'), 'second\n');
  await git(repo, 'commit', '--quiet', '--all', '--message', 'second');
  for (const n of [0, 1, 2]) await writeFile(join(site.folder, `moved-${n}`), '');
  const { output_csv_path } = await job.result();
  for (const row of await readOutput(output_csv_path)) {
    assert.match(await readFile(row['patch']!, 'utf8'), /^\+first$/m);
  }
});

test('a run that is ended leaves no worktree', async () => {
  const repo = await repository(join(site.folder, 'ends'), { 'a.txt': 'a\n' });
  const before = await stateOf(repo);
  const rows = { late: 'echo late >a.txt; while :; do echo x >x$RANDOM; sleep 0.05; done' };
  const [late] = await outputOf(await isolated(repo, rows, { max_runtime_seconds: 1 }));
  assert.match(late!['last_error']!, /^timed_out/);
  assert.equal(late!['patch'], '');
  assert.deepEqual(await stateOf(repo), before);

  const job = await site.jobs.start(await isolated(repo, rows));
  await until('it runs', async () => (await stateOf(repo))[0] !== before[0]);
  await job.cancel();
  await job.result().catch(() => {});
  assert.deepEqual(await stateOf(repo), before);
});

test('JSON Lines name the patch, too, and CSV only where there are worktrees', async () => {
  const repo = await repository(join(site.folder, 'lines'), { 'a.txt': 'a\n' });
  const output_csv_path = join(site.folder, 'lines.jsonl');
  const rows = { a: 'echo b >>a.txt; report 1' };
  await outputOf(await isolated(repo, rows, { output_csv_path })).catch(() => {});
  const line = JSON.parse(await readFile(output_csv_path, 'utf8')) as Record<string, string>;
  assert.match(await readFile(line['patch']!, 'utf8'), /^\+b$/m);
  const [plain] = await outputOf(await lightSpec(site, { a: 'report 1' }));
  assert.equal('patch' in plain!, false);
});

test('what is no repository with a commit is refused before anything starts', async () => {
  const refused = async (workdir: string, message: RegExp) => {
    const job = await site.jobs.start(await isolated(workdir, { a: 'report 1' }));
    await assert.rejects(job.result(), (error: Error) => {
      assert.ok(error instanceof JobRefused, String(error));
      assert.match(error.message, message);
      return true;
    });
  };
  const plain = join(site.folder, 'plain');
  await mkdir(plain);
  await refused(
    plain,
    /agent\.workdir: no worktrees can be made of \S+plain: not a git repository/,
  );
  await git(plain, 'init', '--quiet');
  await refused(plain, /has no commit yet/);
  const repo = await repository(join(site.folder, 'untracked'), { a: '' });
  await mkdir(join(repo, 'new'));
  await refused(join(repo, 'new'), /folder new of the repository \S+ is not in its commit/);
  await refused(join(repo, 'none'), /none is not there/);
  await refused(join(repo, '{nope}'), /agent\.workdir:1:\d+: \{nope\} is no column of the input/);
});

test('a working directory by row stays in its folder', async () => {
  const top = join(site.folder, 'by-row');
  await mkdir(join(top, 'in/one/deep'), { recursive: true });
  await mkdir(join(top, 'in-beside'));
  await mkdir(join(top, 'out'));
  await symlink('../out', join(top, 'in/link'));
  const folders = [
    'one',
    'one/deep',
    'one/../one',
    '/one',
    '../out',
    '..',
    '-beside',
    'link',
    'none',
    '../in-beside',
    'link/../../out',
  ];
  const rows = folders.map((folder, n) => [`r${n}`, folder]);
  const spec: JobSpec = {
    csv_path: await site.file('by-row.csv', stringify([['id', 'folder'], ...rows])),
    instruction: `report '"'$PWD'"'`,
    agent: { command: LIGHT_AGENT, workdir: join(top, 'in/{folder}') },
    max_attempts: 3,
  };
  const output = await outputOf(spec);
  const inside = await realpath(join(top, 'in'));
  const ends = output.map((row) =>
    row['status'] === 'completed'
      ? (JSON.parse(row['result_json']!) as string)
      : `${row['attempt_count']}: ${row['last_error']!.replace(/a row may not.*/, '')}`,
  );
  const out = (path: string, from = join(top, 'in/')) =>
    `1: agent_error: the working directory ${path} is not inside ${from}: `;
  assert.deepEqual(ends, [
    join(inside, 'one'),
    join(inside, 'one/deep'),
    join(inside, 'one'),
    join(inside, 'one'),
    out(join(top, 'out')),
    out(top),
    `1: agent_error: the working directory ${top}/in/-beside is not there`,
    `1: agent_error: the working directory ${top}/in/link, a link to ${await realpath(join(top, 'out'))}, is not inside ${inside}: `,
    `1: agent_error: the working directory ${top}/in/none is not there`,
    out(join(top, 'in-beside')),
    out(join(top, 'out')),
  ]);
});

test('a folder by row within a worktree', async () => {
  const repo = await repository(join(site.folder, 'packages'), { 'p/a/x': 'a\n', 'p/b/x': 'b\n' });
  const spec = await isolated(join(repo, 'p/{id}'), {
    a: 'echo 1 >>x; report 1',
    b: 'echo 1 >>x; report 1',
    c: 'report 1',
  });
  const [a, b, c] = await outputOf(spec);
  assert.match(await readFile(a!['patch']!, 'utf8'), /^\+\+\+ b\/p\/a\/x$/m);
  assert.match(await readFile(b!['patch']!, 'utf8'), /^\+\+\+ b\/p\/b\/x$/m);
  assert.match(
    c!['last_error']!,
    /packages\/p\/c is not there \(in a worktree of commit [0-9a-f]{12}\)/,
  );
});
