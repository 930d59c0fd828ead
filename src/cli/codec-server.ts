import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { codecToken, encryptionKeys, serverConnection, webUi } from '../config.js';
import { number } from './arguments.js';
import { Problem, UsageError } from './errors.js';
import { note } from './output.js';

const DEFAULT_PORT = 8889;

const NOTES = `
It decrypts for whoever has its token: AGENT_JOBS_CODEC_TOKEN, else one that it makes up and prints. So
the Web UI and the Temporal CLI show what is encrypted to some, and Temporal's server to nobody.

In the Web UI, click the glasses at the top, put its address with the token as path into "Codec Server
browser endpoint", apply, and load the page again. The page that the UI is must be named by --ui-origin,
if it is not that of a server on this host.

  agent-jobs codec-server --keys-file KEYS
  temporal workflow show -w JOB --codec-endpoint http://127.0.0.1:${DEFAULT_PORT} --codec-auth "Bearer TOKEN"

It speaks HTTP. For others than this host, put TLS in front of it: docs/encryption.md.

Exit codes: 0 ended by Ctrl-C or SIGTERM; 1 unexpected error; 2 invalid usage.`;

interface CodecServerOptions {
  port: number;
  host: string;
  uiOrigin?: string[];
}

export function addCodecServer(program: Command): void {
  program
    .command('codec-server')
    .summary('show what is encrypted in the Web UI and the Temporal CLI')
    .description('Decrypts payloads for the Web UI and the Temporal CLI, until it is ended.')
    .option('--port <n>', 'where it listens', number, DEFAULT_PORT)
    .option('--host <address>', 'the same, for others than this host', '127.0.0.1')
    .option(
      '--ui-origin <url...>',
      'pages that may ask it, as https://ui.example.org (default: the Web UI of a server on this host)',
    )
    .addHelpText('after', NOTES)
    .action(codecServer);
}

async function codecServer({ port, host, uiOrigin }: CodecServerOptions): Promise<void> {
  const keys = encryptionKeys();
  if (keys === undefined) {
    throw new UsageError(
      'there are no keys: name their file with --keys-file or AGENT_JOBS_KEYS_FILE',
    );
  }
  const given = codecToken();
  const token = given ?? randomBytes(24).toString('base64url');
  const uiOrigins = (uiOrigin ?? defaultOrigins()).map(originOf);
  const { startCodecServer } = await import('../encryption/codec-server.js');
  const server = await startCodecServer({ keys, token, host, port, uiOrigins }).catch(
    (error: unknown) => {
      throw new Problem(`it cannot listen at ${host}:${port}: ${(error as Error).message}`);
    },
  );
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
  const shown = given === undefined ? token : '$AGENT_JOBS_CODEC_TOKEN';
  note(
    `The codec server is ready.\n` +
      `  Web UI  ${url}/${shown}\n` +
      `          in "Codec Server browser endpoint" (the glasses at the top), for pages of ${uiOrigins.join(', ') || 'no origin'}\n` +
      `  CLI     --codec-endpoint ${url} --codec-auth "Bearer ${shown}"`,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await server.close();
}

/** The Web UI of the server on this host, by both of its names. */
function defaultOrigins(): string[] {
  const ui = webUi(serverConnection().address);
  if (ui === undefined) return [];
  return [...new Set([ui, ...['localhost', '127.0.0.1'].map((name) => renamed(ui, name))])];
}

function renamed(url: string, hostname: string): string {
  const other = new URL(url);
  if (['localhost', '127.0.0.1'].includes(other.hostname)) other.hostname = hostname;
  return other.origin;
}

function originOf(url: string): string {
  const origin = URL.canParse(url) ? new URL(url).origin : 'null';
  if (origin !== 'null') return origin;
  throw new UsageError(
    `--ui-origin: ${JSON.stringify(url)} is no URL such as https://ui.example.org`,
  );
}
