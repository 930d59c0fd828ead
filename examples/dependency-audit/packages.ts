/** The example's input: the packages that are installed in a project, as a CSV. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'csv-stringify/sync';

interface InstalledPackage {
  name: string;
  version: string;
  /** Below the project's `node_modules`, as in `terser/node_modules/commander`. */
  path: string;
}

/** Writes one row per package, nested ones included, in the order of their paths. @returns how many. */
export function writePackages(project: string, csvPath: string): number {
  const root = join(project, 'node_modules');
  const packages = [...installedPackages(root)].sort((a, b) => (a.path < b.path ? -1 : 1));
  mkdirSync(dirname(csvPath), { recursive: true });
  writeFileSync(
    csvPath,
    stringify(packages, { header: true, columns: ['name', 'version', 'path'] }),
  );
  return packages.length;
}

function* installedPackages(root: string, below = ''): Generator<InstalledPackage> {
  for (const path of packageFolders(root, below)) {
    const manifest = readManifest(join(root, path, 'package.json'));
    if (manifest?.name && manifest.version) {
      yield { name: manifest.name, version: manifest.version, path };
    }
    yield* installedPackages(root, `${path}/node_modules/`);
  }
}

/** The folders of a `node_modules` that may hold a package: `name` or `@scope/name`. */
function packageFolders(root: string, below: string): string[] {
  return folders(join(root, below)).flatMap((name) =>
    name.startsWith('@')
      ? folders(join(root, below, name)).map((scoped) => `${below}${name}/${scoped}`)
      : [`${below}${name}`],
  );
}

/** Links are left out (a package's own workspace may be linked into itself), and so is `.bin`. */
function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name);
  } catch {
    return []; // most packages have no node_modules of their own
  }
}

function readManifest(path: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  } catch {
    return undefined;
  }
}
