/** The report endpoint under any bytes: it goes on answering, whatever came before. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { Report } from '../../src/job.js';
import { ReportEndpoint } from '../../src/report/endpoint.js';
import { reportTool } from '../../src/report/report-tool.js';
import { RunReports } from '../../src/report/run-reports.js';
import { compileSchema } from '../../src/schema.js';
import { anyJson, nasty, nastyBytes } from './arbitraries.js';

const SCHEMA = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
const MCP_METHODS = [
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'resources/list',
  '__proto__',
  '',
];
const HEADERS = [
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'origin',
  'expect',
];

export class EndpointTarget {
  readonly #endpoint: ReportEndpoint;
  readonly #sent: Report[] = [];
  readonly bytes: fc.IRawProperty<unknown>;
  readonly bodies: fc.IRawProperty<unknown>;

  static async open(): Promise<EndpointTarget> {
    return new EndpointTarget(await ReportEndpoint.listen());
  }

  private constructor(endpoint: ReportEndpoint) {
    this.#endpoint = endpoint;
    const text = nasty.map((part) => part.replaceAll('\n', ''));
    const request = fc
      .record({
        method: fc.constantFrom('POST', 'GET', 'PUT', 'OPTIONS', 'CONNECT', 'PRI', 'x'),
        path: fc.oneof(fc.constantFrom('/report', '/mcp', '/', '//', '*', 'http://x/report'), text),
        headers: fc.array(fc.tuple(fc.oneof(fc.constantFrom(...HEADERS), text), text), {
          maxLength: 5,
        }),
        own: fc.boolean(),
        body: nastyBytes,
      })
      .map(({ method, path, headers, own, body }) => (token: string) => {
        const all: [string, string][] = own
          ? [['host', 'localhost'], ['authorization', `Bearer ${token}`], ...headers]
          : headers;
        const head = all.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n`), body]);
      });
    const raw = nastyBytes.map((bytes) => () => bytes);
    this.bytes = fc.asyncProperty(fc.oneof(request, raw), async (make) => {
      const { token } = this.#run();
      await this.#exchange(make(token));
      await this.#stillTakes();
    }) as fc.IRawProperty<unknown>;

    const call = fc.record(
      {
        jsonrpc: fc.oneof(fc.constant('2.0'), anyJson),
        id: fc.oneof(fc.integer(), anyJson),
        method: fc.oneof(fc.constantFrom(...MCP_METHODS), nasty),
        params: fc.oneof(
          anyJson,
          fc.record({ name: fc.constantFrom('report_agent_job_result', 'x'), arguments: anyJson }),
        ),
      },
      { requiredKeys: ['method'] },
    );
    const body = fc.oneof(
      anyJson.map((value) => JSON.stringify(value)),
      call.map((value) => JSON.stringify(value)),
      nasty,
    );
    this.bodies = fc.asyncProperty(
      fc.constantFrom('/report', '/mcp'),
      body,
      async (path, given) => {
        const { token } = this.#run();
        const answer = await fetch(new URL(path, this.#endpoint.url), {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
          },
          body: given,
        });
        const told = await answer.text();
        assert.ok(answer.status < 500, `${answer.status} ${told}`);
        assert.ok(told.length < 100_000);
        await this.#stillTakes();
      },
    ) as fc.IRawProperty<unknown>;
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }

  #run(): { token: string } {
    const terms = {
      rules: { check: compileSchema(SCHEMA), max_result_bytes: 1000 },
      tool: reportTool(SCHEMA),
    };
    const run = { job_id: 'j', item_id: 'i', run: 1 };
    const reports = new RunReports(run, terms, async (report) => {
      this.#sent.push(report);
      return 'delivered';
    });
    const token = this.#endpoint.admit(reports);
    this.#endpoint.expire(token, 5000);
    return { token };
  }

  /** Sends the bytes, and reads until the other side has no more to say. */
  async #exchange(bytes: Uint8Array): Promise<void> {
    const socket = connect(Number(new URL(this.#endpoint.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.end(bytes);
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    await once(socket, 'close');
  }

  async #stillTakes(): Promise<void> {
    const { token } = this.#run();
    const before = this.#sent.length;
    const answer = await fetch(this.#endpoint.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: '{"result":{"n":1}}',
    });
    assert.deepEqual(await answer.json(), { accepted: true });
    assert.deepEqual(this.#sent.splice(before), [
      { result: { n: 1 }, job_id: 'j', item_id: 'i', run: 1 },
    ]);
  }
}
