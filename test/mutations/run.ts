/**
 * Shows that the tests of the invariants can fail: applies each `*.patch` of this folder to a copy of
 * the sources and requires that the test it names fails there.
 *
 * A patch begins with `Invariant: …` and `Test: FILE [NAME PATTERN]`. `npm run test:mutations [PART OF A
 * NAME]` runs those whose file names contain the part.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = fileURLToPath(new URL('.', import.meta.url));

type Result = 'caught' | 'SURVIVED' | 'DOES NOT APPLY' | 'DOES NOT BUILD';

function copySources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'agent-jobs-mutation-'));
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  for (const file of files.trim().split('\n')) cpSync(join(ROOT, file), join(copy, file));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

function succeeds(cwd: string, command: string, ...args: string[]): boolean {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0 && stderr !== '') console.error(stderr.trim());
  return status === 0;
}

function mutate(patch: string): Result {
  const [, file, pattern] = /^Test: (\S+)(?: (.+))?$/m.exec(readFileSync(patch, 'utf8'))!;
  const copy = copySources();
  try {
    if (!succeeds(copy, 'git', 'apply', patch)) return 'DOES NOT APPLY';
    if (!succeeds(copy, 'npm', 'run', '--silent', 'build')) return 'DOES NOT BUILD';
    const only = pattern === undefined ? [] : [`--test-name-pattern=${pattern}`];
    const test = ['--import', 'tsx', '--test', '--test-timeout=300000', ...only, file!];
    return succeeds(copy, process.execPath, ...test) ? 'SURVIVED' : 'caught';
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

let survivors = 0;
for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.patch'))) {
  if (!name.includes(process.argv[2] ?? '')) continue;
  const invariant = /^Invariant: (.+)$/m.exec(readFileSync(join(FOLDER, name), 'utf8'))![1]!;
  const result = mutate(join(FOLDER, name));
  if (result !== 'caught') survivors += 1;
  console.log(`${result.padEnd(14)} ${name.padEnd(34)} ${invariant}`);
}
process.exitCode = survivors === 0 ? 0 : 1;
