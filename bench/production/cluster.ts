/** The production server on PostgreSQL, on this machine: installed, set up, started, and ended again. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { dataConverter } from '../../src/data-converter.js';
import { freePort } from '../../test/support/free-port.js';
import { ROOT, temporalCli, until } from '../../test/support/site.js';
import { processTree } from './process-tree.js';

export const SERVER_VERSION = '1.29.1';
const CACHE = join(ROOT, '.cache', `temporal-server-${SERVER_VERSION}`);
const SOURCES = ['cmd/server', 'cmd/tools/sql'];
/** Debian's place for what is not on the PATH of users, all versions. */
const DEBIAN = '/usr/lib/postgresql';
const START_MS = 90_000;

const run = promisify(execFile);

export class ProductionCluster {
  readonly address: string;
  readonly postgresVersion: string;
  readonly #database: Database;
  readonly #server: ChildProcess;

  /** @param folder for its configuration. */
  static async start(folder: string, shards: number): Promise<ProductionCluster> {
    const tools = await installed();
    const database = await startPostgres();
    try {
      for (const [name, schema] of [
        ['temporal', 'temporal'],
        ['temporal_visibility', 'visibility'],
      ] as const) {
        const sql = (...args: string[]) =>
          run(join(tools, 'sql'), [
            ...['--plugin', 'postgres12', '--ep', '127.0.0.1', '--port', String(database.port)],
            ...['--user', 'temporal', '--db', name, ...args],
          ]);
        await sql('create-database');
        await sql('setup-schema', '--version', '0.0');
        await sql('update-schema', '--schema-name', `postgresql/v12/${schema}`);
      }
      const { server, address } = await startServer(tools, folder, database.port, shards);
      return new ProductionCluster(address, database, server);
    } catch (error) {
      await removed(database);
      throw error;
    }
  }

  private constructor(address: string, database: Database, server: ChildProcess) {
    this.address = address;
    this.postgresVersion = database.version;
    this.#database = database;
    this.#server = server;
  }

  get serverPids(): number[] {
    return [this.#server.pid!];
  }

  /** PostgreSQL has a process for each connection. */
  get databasePids(): number[] {
    return processTree(this.#database.process.pid!);
  }

  async databaseBytes(): Promise<number> {
    const query = 'SELECT sum(pg_database_size(datname)) FROM pg_database';
    const connection = ['--host', '127.0.0.1', '--port', String(this.#database.port)];
    const options = ['--username', 'temporal', '--dbname', 'temporal', '-tA', '--command', query];
    return Number((await run('psql', [...connection, ...options])).stdout);
  }

  async client(): Promise<Client> {
    const connection = await Connection.connect({ address: this.address });
    return new Client({ connection, namespace: 'default', dataConverter });
  }

  async kill(): Promise<void> {
    await ended(this.#server, 'SIGKILL');
    await removed(this.#database);
  }
}

interface Database {
  process: ChildProcess;
  port: number;
  /** Its folder. */
  data: string;
  version: string;
}

async function removed({ process, data }: Database): Promise<void> {
  await ended(process, 'SIGINT');
  await rm(data, { recursive: true, force: true });
}

/** @returns the folder of the server and its SQL tool, built by Go where they are not there yet. */
async function installed(): Promise<string> {
  if (existsSync(join(CACHE, 'server')) && existsSync(join(CACHE, 'sql'))) return CACHE;
  await mkdir(CACHE, { recursive: true });
  console.error(
    `Installing the Temporal server ${SERVER_VERSION} with "go install" (once; some minutes) …`,
  );
  const sources = SOURCES.map((path) => `go.temporal.io/server/${path}@v${SERVER_VERSION}`);
  await run('go', ['install', ...sources], { env: { ...process.env, GOBIN: CACHE } });
  return CACHE;
}

async function startPostgres(): Promise<Database> {
  const programs = postgresPrograms();
  // In a folder of its own: its user may not be able to enter another's.
  const data = await mkdtemp(join(tmpdir(), 'agent-jobs-postgres-'));
  const user = await postgresUser(data);
  const options = { ...user, cwd: data };
  await run(
    join(programs, 'initdb'),
    ['--pgdata', data, '--username', 'temporal', '--auth', 'trust', '--encoding', 'UTF8'],
    options,
  );
  const { stdout } = await run(join(programs, 'postgres'), ['--version']);
  const port = await freePort();
  const postgres = spawn(
    join(programs, 'postgres'),
    [
      ...['-D', data, '-p', String(port)],
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    ],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await ready(postgres, 'PostgreSQL', (said) => said.includes('ready to accept connections'));
  return { process: postgres, data, port, version: stdout.trim() };
}

/** PostgreSQL refuses to run as root: then as the user that Debian's package has made for it. */
async function postgresUser(data: string) {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  const user = { uid: id('-u'), gid: id('-g') };
  await chown(data, user.uid, user.gid);
  return user;
}

function postgresPrograms(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const folders = [
    ...versions
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(DEBIAN, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  const found = folders.find((folder) =>
    ['initdb', 'postgres'].every((program) => existsSync(join(folder, program))),
  );
  if (found !== undefined) return found;
  throw new Error('PostgreSQL is not installed: on Debian, apt-get install postgresql');
}

async function startServer(tools: string, folder: string, postgresPort: number, shards: number) {
  const frontend = await freePort();
  const values: Record<string, string | number> = {
    FOLDER: folder,
    SHARDS: shards,
    POSTGRES_PORT: postgresPort,
    FRONTEND_PORT: frontend,
  };
  const template = await readFile(new URL('temporal.yaml', import.meta.url), 'utf8');
  for (const [, name] of template.matchAll(/\$\{([A-Z_]+)\}/g)) {
    if (name !== 'NAME') values[name!] ??= await freePort();
  }
  const config = template.replaceAll(/\$\{([A-Z_]+)\}/g, (_, name: string) =>
    String(values[name] ?? `\${${name}}`),
  );
  await writeFile(join(folder, 'production.yaml'), config);
  await copyFile(
    fileURLToPath(new URL('dynamic.yaml', import.meta.url)),
    join(folder, 'dynamic.yaml'),
  );
  const server = spawn(
    join(tools, 'server'),
    ['--root', folder, '--config', '.', '--env', 'production', '--allow-no-auth', 'start'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const address = `127.0.0.1:${frontend}`;
  try {
    await ready(server, 'the Temporal server', () => serves(address));
    await setUp(address);
  } catch (error) {
    await ended(server, 'SIGKILL');
    throw error;
  }
  return { server, address };
}

async function serves(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 2000 });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

/** What docs/production.md has an operator do once: the namespace, its retention, the search attributes. */
async function setUp(address: string): Promise<void> {
  const operator = async (...args: string[]) =>
    run(temporalCli(), ['operator', ...args, '--namespace', 'default', '--address', address]);
  await operator('namespace', 'create', '--retention', '24h');
  const attributes = ['--name', 'AgentJobId', '--name', 'AgentJobVerdict', '--type', 'Keyword'];
  await until(
    'the search attributes are registered',
    // A new namespace is not known to all of the server at once.
    () => operator('search-attribute', 'create', ...attributes).then(...succeeded),
    START_MS,
  );
  const query = ['workflow', 'count', '--address', address, '--query', 'AgentJobId = "none"'];
  await until(
    'the search attributes are known',
    () => run(temporalCli(), query).then(...succeeded),
    START_MS,
  );
}

const succeeded = [() => true, () => false] as const;

/** Waits until a program is ready. @throws with what it has said if it ends, or takes too long. */
async function ready(
  program: ChildProcess,
  name: string,
  isReady: (said: string) => boolean | Promise<boolean>,
): Promise<void> {
  let said = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
  }
  await until(
    `${name} is ready`,
    () => {
      if (program.exitCode !== null) throw new Error(`${name} has ended:\n${said}`);
      return isReady(said);
    },
    START_MS,
  );
}

async function ended(program: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const exit = once(program, 'exit');
  program.kill(signal);
  await exit;
}
