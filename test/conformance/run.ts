/**
 * Runs the protocol's official conformance suite, the scenarios of it that apply, on both our servers:
 * that of `agent-jobs mcp` and the report endpoint. The suite speaks HTTP only and needs Node 22: npm
 * gets both into its own cache.
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
import { ReportEndpoint } from '../../src/report/endpoint.js';
import { reportTool } from '../../src/report/report-tool.js';
import { RunReports } from '../../src/report/run-reports.js';

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

/** What is asked of servers that listen. */
const OF_LISTENERS = 'dns-rebinding-protection';

const hostname = '127.0.0.1';
const execute = promisify(execFile);

/** A server under test. */
interface Target {
  url: string;
  close(): Promise<void> | void;
}

const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-conformance-'));
try {
  const suite = await installedSuite();
  const scenarios = await scenariosOf(suite);
  const stdioOnly = { [OF_LISTENERS]: 'the server under test speaks over a pipe' };
  await conform('agent-jobs mcp', await stdioServer(), APPLICABLE, stdioOnly);
  await conform('the report endpoint', await reportEndpoint(), [...APPLICABLE, OF_LISTENERS]);

  async function conform(
    name: string,
    target: Target,
    applicable: string[],
    notApplicable: Record<string, string> = {},
  ): Promise<void> {
    console.log(`\n${name}`);
    const reasons = Object.entries({ ...NOT_APPLICABLE, ...notApplicable });
    for (const scenario of scenarios) {
      const why = reasons.find(([begin]) => scenario.startsWith(begin))?.[1];
      if (why !== undefined) {
        console.log(`-  ${scenario}: ${why}`);
      } else if (!applicable.includes(scenario)) {
        console.log(`?  ${scenario}: new in the suite; say in this script whether it applies`);
        process.exitCode = 1;
      } else if (await passes(suite, target, scenario)) {
        console.log(`ok ${scenario}`);
      } else {
        console.log(`NO ${scenario}`);
        process.exitCode = 1;
      }
    }
    await target.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The servers that `agent-jobs mcp` makes, over HTTP. */
async function stdioServer(): Promise<Target> {
  const handler = createMcpHandler(mcpServerFactory({ version: '0', allowNested: false }));
  return listening(serve({ fetch: (request) => handler.fetch(request), port: 0, hostname }));
}

/** The report endpoint of a worker, behind a proxy that sends a run's token, since the suite cannot. */
async function reportEndpoint(): Promise<Target> {
  const endpoint = await ReportEndpoint.listen();
  const terms = { rules: { check: () => [], max_result_bytes: 1000 }, tool: reportTool(true) };
  const run = { job_id: 'job', item_id: 'item', run: 1 };
  const token = endpoint.admit(new RunReports(run, terms, async () => 'delivered'));
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const authorized = { ...headers, authorization: `Bearer ${token}` };
    const passed = request(endpoint.mcpUrl, { method, headers: authorized }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  const listener = await listening(proxy.listen(0, hostname));
  const close = async () => {
    await listener.close();
    await endpoint.close();
  };
  return { url: listener.url, close };
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

async function passes(
  [node, script]: [string, string],
  target: Target,
  scenario: string,
): Promise<boolean> {
  const args = [script, 'server', '--url', target.url, '--scenario', scenario];
  const run = spawn(node, args, { cwd: folder, stdio: 'inherit' });
  const [code] = (await once(run, 'exit')) as [number | null];
  return code === 0;
}
