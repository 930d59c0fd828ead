/**
 * `npm run demo [-- options of "agent-jobs run"]`: audits the packages that this project has installed,
 * one agent per package. Sets up all that it needs; may be run again and again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePackages } from './packages.js';

const EXAMPLE = fileURLToPath(new URL('.', import.meta.url));
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const OUT = join(EXAMPLE, 'out');

const input = join(OUT, 'packages.csv');
const count = writePackages(PROJECT, input);

// Paths as one would type them: the command is shown, to be tried with changes.
const file = (path: string) => relative(PROJECT, path);
const jobId = `dependency-audit-${new Date().toISOString().replace(/[:.]/g, '-')}`;
const parts = [
  ['run', '--local', file(input)],
  ['--instruction-file', file(join(EXAMPLE, 'instruction.md'))],
  ['--id-column', 'path'],
  ['--output-schema', file(join(EXAMPLE, 'output-schema.json'))],
  // The latest audit, whichever job made it.
  ['--output', file(join(OUT, 'audit.csv')), '--overwrite'],
  ['--job-id', jobId, ...process.argv.slice(2)],
  ['--', 'node', file(join(EXAMPLE, 'agent.mjs'))],
];
console.error(`${count} installed packages are listed in ${file(input)}. Running:\n`);
console.error(`  npx agent-jobs ${parts.map((part) => part.join(' ')).join(' \\\n    ')}\n`);

const cli = spawn(process.execPath, [join(PROJECT, 'dist/cli/main.js'), ...parts.flat()], {
  cwd: PROJECT,
  stdio: 'inherit',
});
// Ctrl-C reaches the command as well, which tells how to go on: wait for its end.
process.on('SIGINT', () => {});
const [code, signal] = (await once(cli, 'exit')) as [number | null, NodeJS.Signals | null];
process.exitCode = code ?? 128 + constants.signals[signal!];
