/** What the program is made of, and what is published of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  licenceProblems,
  lockfileProblems,
  reasonProblems,
} from '../scripts/check-supply-chain.mjs';
import { ROOT } from './support/site.js';

const execute = promisify(execFile);
const json = async (name: string) => JSON.parse(await readFile(join(ROOT, name), 'utf8')) as object;
const integrity = `sha512-${'x'.repeat(86)}==`;

test('the lockfile is of the registry only, with a checksum for each package', async () => {
  assert.deepEqual(lockfileProblems(await json('package-lock.json')), []);
  const odd = {
    'node_modules/good': { version: '1.0.0', integrity },
    'node_modules/none': { version: '1.0.0' },
    'node_modules/weak': { version: '1.0.0', integrity: 'sha1-abc' },
    'node_modules/git': { resolved: 'git+ssh://git@example.com/x.git#1', integrity },
    'node_modules/local': { link: true, integrity },
    'packages/local': { version: '1.0.0', integrity },
  };
  assert.deepEqual(lockfileProblems({ lockfileVersion: 3, packages: { '': {}, ...odd } }), [
    'node_modules/none has no sha512 checksum',
    'node_modules/weak has no sha512 checksum',
    'node_modules/git is bound to git+ssh://git@example.com/x.git#1',
    'node_modules/local is a link',
    'packages/local is not from the registry',
  ]);
});

test('what users get has licences that ask for nothing but to be named', async () => {
  assert.deepEqual(licenceProblems(await json('package-lock.json')), []);
  const packages = {
    'node_modules/a': { version: '1.0.0', license: '(GPL-3.0-only OR MIT)' },
    'node_modules/b': { version: '1.0.0', license: 'MIT AND GPL-3.0-only' },
    'node_modules/a/node_modules/@c/d': { version: '2.0.0' },
    'node_modules/e': { version: '1.0.0', license: 'AGPL-3.0-only', dev: true },
  };
  assert.deepEqual(licenceProblems({ packages }), [
    'b@1.0.0: MIT AND GPL-3.0-only',
    '@c/d@2.0.0: none',
  ]);
});

test('each dependency has its reason in the architecture, and no other is there', async () => {
  const architecture = await readFile(join(ROOT, 'docs/architecture.md'), 'utf8');
  assert.deepEqual(reasonProblems(await json('package.json'), architecture), []);
  const text =
    '\n## Dependencies\n\n| `a`, `@b/*` | x |\n| `gone` | x |\n\n## Other\n\n| `c` | x |\n';
  const manifest = { dependencies: { a: '1', '@b/x': '1' }, devDependencies: { c: '1' } };
  assert.deepEqual(reasonProblems(manifest, text), [
    'c has no reason in docs/architecture.md',
    'gone of docs/architecture.md is no dependency',
  ]);
});

test('nothing surplus is published', async () => {
  const { stdout } = await execute('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: ROOT,
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const known =
    /^(dist\/.+\.(js|d\.ts|html)|docs\/.+\.(md|png|svg|json)|temporal-dev\.sh|(LICENSE|README\.md|CHANGELOG\.md|package\.json))$/;
  assert.deepEqual(
    files.map(({ path }) => path).filter((path) => !known.test(path)),
    [],
  );
});

test('workflows of the repository use actions by the hash of a commit, and publish with provenance', async () => {
  const folder = join(ROOT, '.github/workflows');
  const texts = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
  );
  const used = texts.flatMap((text) =>
    [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action),
  );
  assert.ok(used.length > 0);
  for (const action of used) assert.match(action!, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  assert.ok(
    texts.some((text) => /id-token: write/.test(text) && /npm publish --provenance/.test(text)),
  );
});
