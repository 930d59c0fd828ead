// The agent of the example: looks at one installed package and reports what it is made of.
// An AI agent would work from the prompt on standard input; a script takes the row itself.
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const { AGENT_JOBS_REPORT_URL, AGENT_JOBS_REPORT_TOKEN, AGENT_JOBS_ROW_FILE } = process.env;
const MODULES = 'node_modules'; // agents are started in the folder where the job was
const LICENCE_FILE = /^(un)?(licen[cs]e|copying)/i;
const TYPE_DECLARATIONS = /\.d\.[cm]?ts$/;
const COPYLEFT = /\b(A?GPL|LGPL|MPL|EPL|CDDL|EUPL|OSL)\b/i;

try {
  const row = readJson(AGENT_JOBS_ROW_FILE);
  await report(inspect(row));
} catch (error) {
  // The last line on standard error is the row's `last_error`, so it has to say what happened.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function inspect({ name, version, path }) {
  const folder = join(MODULES, path);
  const manifest = readJson(join(folder, 'package.json'));
  if (manifest.name !== name || manifest.version !== version) {
    throw new Error(`${folder} holds ${manifest.name} ${manifest.version}, not ${name} ${version}`);
  }
  const files = filesOf(folder);
  const licence = statedLicence(manifest);
  const installScripts = installScriptsOf(manifest, files);
  const deprecation = deprecationOf(path, manifest);
  const findings = [
    licence === null && 'states no licence',
    licence !== null && COPYLEFT.test(licence) && `copyleft licence: ${licence}`,
    installScripts.length > 0 && `runs a script when it is installed: ${installScripts.join(', ')}`,
    deprecation.deprecated === 'yes' && `deprecated: ${deprecation.message}`,
  ].filter(Boolean);
  return {
    licence,
    licence_file: files.some((file) => LICENCE_FILE.test(file.path)),
    file_count: files.length,
    unpacked_bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    install_scripts: installScripts,
    deprecated: deprecation.deprecated,
    types: typesOf(name, manifest, files),
    dependency_count: Object.keys(manifest.dependencies ?? {}).length,
    findings,
  };
}

/** The files of a package; those of packages that are nested in it are not its own. */
function filesOf(folder, below = '') {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below + entry.name;
    if (entry.isDirectory()) return path === MODULES ? [] : filesOf(folder, `${path}/`);
    return [{ path, bytes: lstatSync(join(folder, path)).size }];
  });
}

/** An SPDX expression as a rule; old packages have an object, or a list of them. */
function statedLicence({ license, licenses }) {
  const stated = [license ?? licenses ?? []].flat();
  const names = stated.map((each) => (typeof each === 'string' ? each : each?.type));
  return names.filter(Boolean).join(' OR ') || null;
}

function installScriptsOf({ scripts = {}, gypfile }, files) {
  const found = ['preinstall', 'install', 'postinstall'].filter((name) => scripts[name]);
  // With this file and no script of its own, npm has the package compiled.
  const compiles = gypfile !== false && files.some(({ path }) => path === 'binding.gyp');
  return compiles && !scripts.preinstall && !scripts.install ? ['install', ...found] : found;
}

/** Without asking the registry: npm notes in its lockfile what it was told when it installed. */
function deprecationOf(path, manifest) {
  const lockfile = join(MODULES, '.package-lock.json');
  const locked = existsSync(lockfile)
    ? readJson(lockfile).packages?.[`${MODULES}/${path}`]
    : undefined;
  const message = locked?.deprecated ?? manifest.deprecated;
  if (message) return { deprecated: 'yes', message: String(message) };
  return { deprecated: locked === undefined ? 'unknown' : 'no' };
}

function typesOf(name, manifest, files) {
  const stated = manifest.types ?? manifest.typings;
  if (stated || files.some(({ path }) => TYPE_DECLARATIONS.test(path))) return 'bundled';
  const separate = name.replace(/^@([^/]+)\//, '$1__');
  return existsSync(join(MODULES, '@types', separate)) ? 'separate' : 'none';
}

async function report(result) {
  const response = await fetch(AGENT_JOBS_REPORT_URL, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${AGENT_JOBS_REPORT_TOKEN}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ result }),
  });
  const answer = await response.json();
  if (answer.accepted) return;
  // `errors` says what to repair; an AI agent would, and report again.
  throw new Error(answer.errors.map(({ path, message }) => `${path} ${message}`.trim()).join('; '));
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
