/** The only reader of the environment: where things are and how to reach the server. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { KeyFileError, type Keys, parseKeys } from './encryption/keys.js';
import { DEFAULT_TASK_QUEUE } from './job.js';

/** A setting of the environment or of the profile file is not usable. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** Where agent-jobs keeps its state: `$XDG_STATE_HOME/agent-jobs`. */
export function stateFolder(): string {
  const base = process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  return join(base, 'agent-jobs');
}

/** Where the workers of this host note what they have started. */
export function notesFolder(): string {
  return join(stateFolder(), 'runs');
}

let namedStore: string | undefined;

/** Has this process use a job store whatever its environment says, as a command's option asks. */
export function nameStore(location: string): void {
  namedStore = location;
}

/** The job store: a folder or a URL; the same for every worker of a user whatever its folder. */
export function storeLocation(): string {
  const location = namedStore ?? (process.env['AGENT_JOBS_STORE'] || stateFolder());
  return isUrl(location) ? location.replace(/\/+$/, '') : resolve(location);
}

/** Whether the job store is for several hosts, which need not have any folder in common. */
export function storeIsShared(): boolean {
  return isUrl(storeLocation());
}

function isUrl(location: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(location);
}

let namedKeysFile: string | undefined;

/** Has this process use a key file whatever its environment says, as a command's option asks. */
export function nameKeysFile(path: string): void {
  namedKeysFile = path;
}

/** The file of the keys that encrypt what goes to Temporal and into the job store; undefined: it is not encrypted. */
export function keysFile(): string | undefined {
  const path = namedKeysFile ?? process.env['AGENT_JOBS_KEYS_FILE'];
  return path ? resolve(path) : undefined;
}

const NEW_KEYS = 'To make one: (umask 077; echo "k1 = $(openssl rand -base64 32)" > KEYS_FILE)';

/**
 * The keys of {@link keysFile}, or of another file.
 * @throws {ConfigError} where there is such a file and it cannot be used.
 */
export function encryptionKeys(path: string | undefined = keysFile()): Keys | undefined {
  if (path === undefined) return undefined;
  let text: string;
  try {
    checkIsPrivate(path);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? `is not there. ${NEW_KEYS}` : `cannot be read: ${message}`;
    throw new ConfigError(`the key file ${path} ${why}`);
  }
  try {
    return parseKeys(text);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new ConfigError(`the key file ${path} cannot be used: ${error.message}`);
  }
}

/** As for other private keys: its group may read it where it is root's, since services get theirs in that way. */
function checkIsPrivate(path: string): void {
  const { mode, uid } = statSync(path);
  const others = mode & (uid === 0 ? 0o037 : 0o077);
  if (others === 0) return;
  throw new ConfigError(
    `the key file ${path} can be read or changed by others than its owner (its mode is ${(mode & 0o777).toString(8).padStart(4, '0')}): chmod 600 ${path}`,
  );
}

export function taskQueue(): string {
  return process.env['AGENT_JOBS_TASK_QUEUE'] || DEFAULT_TASK_QUEUE;
}

/** How to reach the server. */
export type ServerConnection = ClientConnectConfig & { address: string; namespace: string };

/**
 * The server, from the standard Temporal environment variables and profile file.
 * @throws {ConfigError} where they are given and not usable.
 */
export function serverConnection(): ServerConnection {
  const file = process.env['TEMPORAL_CONFIG_FILE'];
  if (file && !existsSync(file)) {
    throw new ConfigError(`TEMPORAL_CONFIG_FILE names ${file}, which is not there`);
  }
  const tls = process.env['TEMPORAL_TLS'];
  if (tls && !/^(true|false|1|0)$/i.test(tls)) {
    throw new ConfigError(`TEMPORAL_TLS is ${JSON.stringify(tls)}: must be true or false`);
  }
  try {
    const config = loadClientConnectConfig();
    return {
      ...config,
      address: config.connectionOptions.address ?? 'localhost:7233',
      namespace: config.namespace ?? 'default',
    };
  } catch (error) {
    throw new ConfigError(`the Temporal settings cannot be used: ${(error as Error).message}`);
  }
}

/** The Web UI's address, where it can be known. */
export function webUi(address: string): string | undefined {
  const stated = process.env['AGENT_JOBS_UI_URL'];
  if (stated) return stated.replace(/\/+$/, '');
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (!host || !['localhost', '127.0.0.1', '[::1]'].includes(host)) return undefined;
  // As temporal-dev.sh has it.
  return `http://${host}:${process.env['TEMPORAL_DEV_UI_PORT'] || Number(port) + 1000}`;
}

/** What callers of the codec endpoint have to know; undefined where it is to make one up. */
export function codecToken(): string | undefined {
  const token = process.env['AGENT_JOBS_CODEC_TOKEN'];
  if (!token) return undefined;
  // It also stands in URLs.
  if (/^[A-Za-z0-9._~-]{16,}$/.test(token)) return token;
  throw new ConfigError(
    'AGENT_JOBS_CODEC_TOKEN must be 16 or more characters of A-Z a-z 0-9 . _ ~ -, as "openssl rand -hex 16" prints them',
  );
}

/** Whether the terminal is one that cannot move its cursor. */
export function dumbTerminal(): boolean {
  return process.env['TERM'] === 'dumb';
}

/** Where the agent that this process belongs to reports; undefined outside of an agent. */
export function reportTarget(): { url: string; token: string } | undefined {
  const url = process.env['AGENT_JOBS_REPORT_URL'];
  const token = process.env['AGENT_JOBS_REPORT_TOKEN'];
  return url && token ? { url, token } : undefined;
}

/** The job of the agent that this process belongs to; undefined outside of an agent. */
export function ownJob(): string | undefined {
  return process.env['AGENT_JOBS_JOB_ID'] || undefined;
}

/** The database that the user names for `temporal-dev.sh`, if one is named. */
export function devServerDatabase(): string | undefined {
  return process.env['TEMPORAL_DEV_DB'] || undefined;
}

/** Whether the standard variables of OpenTelemetry say where traces are to be sent. */
export function tracesWanted(): boolean {
  const { env } = process;
  if (
    env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' ||
    env['OTEL_TRACES_EXPORTER'] === 'none'
  ) {
    return false;
  }
  return Boolean(env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT']);
}

/** The settings in force, for a process that runs in another folder. */
export function settings(): Record<string, string> {
  const { address, namespace } = serverConnection();
  const file = process.env['TEMPORAL_CONFIG_FILE'];
  const keys = keysFile();
  return {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    AGENT_JOBS_STORE: storeLocation(),
    AGENT_JOBS_TASK_QUEUE: taskQueue(),
    ...(file ? { TEMPORAL_CONFIG_FILE: resolve(file) } : {}),
    ...(keys === undefined ? {} : { AGENT_JOBS_KEYS_FILE: keys }),
  };
}

/** This process's environment for one that it starts, with some values set. */
export function environmentWith(values: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...values };
}
