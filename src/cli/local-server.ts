import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { devServerDatabase, environmentWith, serverConnection, webUi } from '../config.js';
import { Problem, UsageError } from './errors.js';
import {
  localFolder,
  makeLocalFolder,
  records,
  removeRecord,
  saveRecord,
} from './local-records.js';
import { listens, loopbackPort } from './loopback.js';
import { note } from './output.js';
import { type RunningProcess, isRunning } from '../running-process.js';

const SCRIPT = fileURLToPath(new URL('../../temporal-dev.sh', import.meta.url));
const PREFIX = 'server-';

/** A dev server that `--local` has started. */
export interface LocalServer extends RunningProcess {
  address: string;
  web_ui_url: string | null;
  database: string;
  log: string;
}

/**
 * Starts a dev server at the configured address where nothing answers there.
 * @throws {UsageError} where the address is not on this machine; {@link Problem} where it does not start.
 */
export async function ensureServer(): Promise<void> {
  const { address } = serverConnection();
  const port = loopbackPort(address);
  if (port === undefined) {
    throw new UsageError(
      `--local starts a server on this machine, but the server to use is ${address}: leave --local out, or unset TEMPORAL_ADDRESS (or set it to 127.0.0.1:PORT)`,
    );
  }
  if (await listens(port)) return;
  note(`Starting a Temporal dev server at ${address} …`);
  const database = await databasePath();
  await makeLocalFolder();
  const { code } = await script('up', port, database);
  if (code !== 0) {
    const Refused = code === 2 ? UsageError : Problem;
    throw new Refused('the dev server could not be started, for the reason given above');
  }
  const process = await recordOf(database);
  if (process === undefined) return;
  const server: LocalServer = {
    ...process,
    address,
    web_ui_url: webUi(address) ?? null,
    database,
    log: `${database}.log`,
  };
  await saveRecord(`${PREFIX}${port}`, server);
}

/** The servers that `--local` has started and that still run. */
export async function localServers(): Promise<LocalServer[]> {
  const servers: LocalServer[] = [];
  for (const [name, server] of await records<LocalServer>(PREFIX)) {
    if (await isRunning(server)) servers.push(server);
    else await removeRecord(name);
  }
  return servers;
}

/** Ends a server that `--local` has started. @throws {Problem} where it does not end. */
export async function endServer(server: LocalServer): Promise<string> {
  const port = loopbackPort(server.address)!;
  const { code, output } = await script('down', port, server.database);
  if (code !== 0 || (await isRunning(server))) {
    throw new Problem(`the server (process ${server.pid}) could not be ended: ${output}`);
  }
  await removeRecord(`${PREFIX}${port}`);
  return output.trim();
}

/** What the script writes beside the database: process ID and start, a line each. */
async function recordOf(database: string): Promise<RunningProcess | undefined> {
  const record = await readFile(`${database}.pid`, 'utf8').catch(() => '');
  const [pid, started] = record.split('\n');
  const process = { pid: Number(pid), started: started?.trim() ?? '' };
  return (await isRunning(process)) ? process : undefined;
}

/** The script's own choice, but not in a folder that is not the user's or is replaced by the next installation. */
async function databasePath(): Promise<string> {
  const named = devServerDatabase();
  if (named !== undefined) return named;
  const root = dirname(SCRIPT);
  const installed = root.split(sep).includes('node_modules');
  const folder = join(root, '.temporal');
  if (!installed && ((await writable(folder)) ?? (await writable(root)))) {
    return join(folder, 'dev.db');
  }
  return join(localFolder(), 'dev.db');
}

/** @returns undefined where the folder is not there. */
async function writable(folder: string): Promise<boolean | undefined> {
  try {
    await access(folder, constants.W_OK);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : false;
  }
}

async function script(command: 'up' | 'down', port: number, database: string) {
  const child = spawn(SCRIPT, [command], {
    // What it says about an installation, which may take minutes, and about what went wrong.
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environmentWith({ TEMPORAL_DEV_PORT: String(port), TEMPORAL_DEV_DB: database }),
  });
  const closed = once(child, 'close');
  const output = await text(child.stdout);
  const [code] = (await closed) as [number | null];
  return { code, output };
}
