/** The MCP server as a process that gets lines of any kind: it goes on answering. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { MAIN } from '../support/cli.js';
import { anyJson, nasty } from './arbitraries.js';

const TOOLS = [
  'spawn_agents_on_csv',
  'get_agent_job',
  'get_agent_job_results',
  'stop_agent_job',
  'x',
];

const ENDED = Symbol('ended');

export class McpProcess {
  readonly lines: fc.IRawProperty<unknown>;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<string, (answer: unknown) => void>();
  readonly #exited: Promise<typeof ENDED>;
  #count = 0;

  static async open(): Promise<McpProcess> {
    const own = new McpProcess();
    await own.#start();
    return own;
  }

  private constructor() {
    const env = { ...process.env, TEMPORAL_ADDRESS: '127.0.0.1:9' };
    this.#process = spawn(process.execPath, [MAIN, 'mcp'], { env });
    this.#exited = once(this.#process, 'exit').then(() => ENDED);
    // An argument that no tool has: nothing is started or asked.
    const unfit = anyJson.map((given) => ({ ...(Object(given) as object), unfit: given }));
    const call = fc
      .record({ name: fc.constantFrom(...TOOLS), arguments: fc.oneof(unfit, nasty) })
      .map((params) => ({ jsonrpc: '2.0', id: 'fuzz', method: 'tools/call', params }));
    const message = fc.record(
      {
        jsonrpc: fc.oneof(fc.constant('2.0'), anyJson),
        id: anyJson,
        method: nasty,
        params: anyJson,
      },
      { requiredKeys: [] },
    );
    const line = fc.oneof(
      nasty.map((text) => text.replaceAll('\n', '')),
      anyJson.map((value) => JSON.stringify(value) ?? ''),
      call.map((value) => JSON.stringify(value)),
      message.map((value) => JSON.stringify(value)),
    );
    this.lines = fc.asyncProperty(line, async (text) => {
      this.#process.stdin.write(`${text}\n`);
      assert.deepEqual(await this.#ask('ping', {}), {});
    }) as fc.IRawProperty<unknown>;
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#exited;
  }

  async #start(): Promise<void> {
    this.#process.stderr.resume();
    createInterface({ input: this.#process.stdout }).on('line', (text) => {
      const { id, result } = JSON.parse(text) as { id?: string; result?: unknown };
      this.#waiting.get(String(id))?.(result);
    });
    const clientInfo = { name: 'fuzz', version: '1' };
    await this.#ask('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
    this.#process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  }

  async #ask(method: string, params: object): Promise<unknown> {
    const id = `own-${(this.#count += 1)}`;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#process.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const result = await Promise.race([answer, this.#exited]);
    assert.notEqual(result, ENDED, 'the MCP server has ended');
    this.#waiting.delete(id);
    return result;
  }
}
