// What the program is made of: the lockfile, licences, the reasons for dependencies, known vulnerabilities.
// `npm run check:supply-chain`. Where the registry does not tell of vulnerabilities, it says so and goes on;
// with `-- --require-audit`, as before a release, that is a failure, too.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Licences that ask for no more than to be named, or for nothing. */
const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC-BY-4.0',
  'ISC',
  'MIT',
  'Unlicense',
]);
/** Packages that name none in their package.json: what their LICENSE file is. */
const UNNAMED = { 'unionfs@4.6.0': 'Unlicense' };

const read = (name) => readFileSync(`${ROOT}/${name}`, 'utf8');

/** @returns what is wrong with the lockfile: entries that are not from the registry, or are without a checksum. */
export function lockfileProblems(lockfile) {
  const problems = lockfile.lockfileVersion === 3 ? [] : ['it is not of version 3'];
  for (const [path, entry] of packagesOf(lockfile)) {
    if (!path.startsWith('node_modules/')) problems.push(`${path} is not from the registry`);
    if (entry.link) problems.push(`${path} is a link`);
    // Without an address, it is the registry that npm is configured for.
    if (entry.resolved !== undefined) problems.push(`${path} is bound to ${entry.resolved}`);
    if (!entry.integrity?.startsWith('sha512-')) problems.push(`${path} has no sha512 checksum`);
  }
  return problems;
}

/** @returns the packages that users get whose licence is not among those that are taken. */
export function licenceProblems(lockfile) {
  return packagesOf(lockfile)
    .filter(([, entry]) => !entry.dev)
    .flatMap(([path, { version, license }]) => {
      const name = `${path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`;
      const licence = license ?? UNNAMED[name];
      return licence !== undefined && isTaken(licence) ? [] : [`${name}: ${licence ?? 'none'}`];
    });
}

/** @param licence an SPDX expression of names, AND and OR. */
function isTaken(licence) {
  return licence
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((name) => LICENCES.has(name.trim())));
}

/** @returns dependencies without a line in the tables of docs/architecture.md, and lines without one. */
export function reasonProblems({ dependencies, devDependencies }, architecture) {
  const section = /\n## Dependencies\n([\s\S]*?)(\n## |$)/.exec(architecture)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| (`.*?) *\|/gm)].map(([, cell]) => cell);
  const named = rows.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  const matches = (name, pattern) =>
    pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  const all = Object.keys({ ...dependencies, ...devDependencies });
  return [
    ...all
      .filter((name) => !named.some((pattern) => matches(name, pattern)))
      .map((name) => `${name} has no reason in docs/architecture.md`),
    ...named
      .filter((pattern) => !all.some((name) => matches(name, pattern)))
      .map((pattern) => `${pattern} of docs/architecture.md is no dependency`),
  ];
}

function packagesOf({ packages }) {
  return Object.entries(packages).filter(([path]) => path !== '');
}

/** @returns what `npm audit` has found, or why it could not tell. */
function audit() {
  const { stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  try {
    const { vulnerabilities, error, message } = JSON.parse(stdout);
    if (vulnerabilities === undefined) return { unknown: message ?? error?.summary ?? stderr };
    return {
      found: Object.values(vulnerabilities).map(({ name, severity }) => `${name}: ${severity}`),
    };
  } catch {
    return { unknown: stderr.trim() || 'npm audit gave no answer' };
  }
}

function main() {
  const lockfile = JSON.parse(read('package-lock.json'));
  const manifest = JSON.parse(read('package.json'));
  let failed = false;
  const tell = (what, problems) => {
    console.log(`${what}: ${problems.length === 0 ? 'good' : ''}`.trim());
    for (const problem of problems) console.log(`  ${problem}`);
    failed ||= problems.length > 0;
  };
  tell('lockfile', lockfileProblems(lockfile));
  tell('licences', licenceProblems(lockfile));
  tell('reasons', reasonProblems(manifest, read('docs/architecture.md')));
  const { found, unknown } = audit();
  if (found !== undefined) {
    tell('vulnerabilities', found);
  } else {
    const why = unknown.split('\n')[0];
    console.log(`vulnerabilities: NOT CHECKED, the registry does not tell: ${why}`);
    failed ||= process.argv.includes('--require-audit');
  }
  process.exitCode = failed ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
