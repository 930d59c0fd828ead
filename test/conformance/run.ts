/**
 * Runs the protocol's official conformance suite, and the scenarios of it that apply.
 *
 *     npm run test:conformance                   the server of `agent-jobs mcp`
 *     npm run test:conformance -- URL [TOKEN]    another one that serves HTTP, with a bearer token
 *
 * The suite speaks HTTP only and needs Node 22: npm gets both into its own cache.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ServerType, serve } from '@hono/node-server';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { mcpServerFactory } from '../../src/mcp/server.js';

const SUITE = '@modelcontextprotocol/conformance@0.1.16';
const NODE = 'node@22';

/** What any server with tools has to do. */
const APPLICABLE = ['server-initialize', 'ping', 'tools-list'];

/** Why the others do not apply, by the beginning of their names. */
const NOT_APPLICABLE: Record<string, string> = {
  'tools-call-': 'calls tools that only the suite’s own server has',
  'json-schema-2020-12': 'looks for a tool that only the suite’s own server has',
  'elicitation-': 'calls tools that only the suite’s own server has',
  'resources-': 'there are no resources',
  'prompts-': 'there are no prompts',
  'logging-set-level': 'nothing is logged by the protocol',
  'completion-complete': 'there is nothing to complete',
  'server-sse-': 'there are no sessions to resume',
};

/** Of servers that listen. */
const OF_LISTENERS = 'dns-rebinding-protection';

const hostname = '127.0.0.1';
const execute = promisify(execFile);

/** A server under test. */
interface Target {
  url: string;
  close: () => void;
}

const [url, token] = process.argv.slice(2);
const target = url === undefined ? await stdioServer() : await otherServer(url, token);
const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-conformance-'));
try {
  const suite = await installedSuite();
  if (url === undefined) NOT_APPLICABLE[OF_LISTENERS] = 'the server under test speaks over a pipe';
  else APPLICABLE.push(OF_LISTENERS);
  for (const scenario of await scenariosOf(suite)) {
    const why = Object.entries(NOT_APPLICABLE).find(([begin]) => scenario.startsWith(begin))?.[1];
    if (why !== undefined) {
      console.log(`-  ${scenario}: ${why}`);
    } else if (!APPLICABLE.includes(scenario)) {
      console.log(`?  ${scenario}: new in the suite; say in this script whether it applies`);
      process.exitCode = 1;
    } else if (await passes(suite, scenario)) {
      console.log(`ok ${scenario}`);
    } else {
      console.log(`NO ${scenario}`);
      process.exitCode = 1;
    }
  }
} finally {
  target.close();
  await rm(folder, { recursive: true, force: true });
}

/** The servers that `agent-jobs mcp` makes, over HTTP. */
async function stdioServer(): Promise<Target> {
  const handler = createMcpHandler(mcpServerFactory({ version: '0', allowNested: false }));
  return listening(serve({ fetch: (request) => handler.fetch(request), port: 0, hostname }));
}

/** A server that runs; with a token, behind a proxy that sends it, since the suite cannot. */
async function otherServer(url: string, token: string | undefined): Promise<Target> {
  if (token === undefined) return { url, close: () => {} };
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const authorized = { ...headers, authorization: `Bearer ${token}` };
    const passed = request(url, { method, headers: authorized }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  return listening(proxy.listen(0, hostname));
}

async function listening(server: ServerType): Promise<Target> {
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://${hostname}:${port}/mcp`, close: () => void server.close() };
}

/** Its command line: a Node, and a script. */
async function installedSuite(): Promise<[node: string, script: string]> {
  const paths = 'command -v node && command -v conformance';
  const packages = ['--yes', '--package', NODE, '--package', SUITE];
  const { stdout } = await execute('npx', [...packages, '--', 'sh', '-c', paths], { cwd: folder });
  return stdout.trim().split('\n') as [string, string];
}

async function scenariosOf([node, script]: [string, string]): Promise<string[]> {
  const { stdout } = await execute(node, [script, 'list', '--server']);
  return [...stdout.matchAll(/^ *- ([\w-]+)/gm)].map(([, name]) => name!);
}

async function passes([node, script]: [string, string], scenario: string): Promise<boolean> {
  const args = [script, 'server', '--url', target.url, '--scenario', scenario];
  const run = spawn(node, args, { cwd: folder, stdio: 'inherit' });
  const [code] = (await once(run, 'exit')) as [number | null];
  return code === 0;
}
