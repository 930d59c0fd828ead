/** The report endpoint as an MCP server, by the official client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type JobSpec, MAX_REFUSED_REPORTS, type Report } from '../src/job.js';
import { ReportEndpoint } from '../src/report/endpoint.js';
import { reportTool } from '../src/report/report-tool.js';
import { RunReports } from '../src/report/run-reports.js';
import { compileSchema } from '../src/schema.js';

let endpoint: ReportEndpoint;
before(async () => {
  endpoint = await ReportEndpoint.listen();
});
after(() => endpoint.close());

const RUN = { job_id: 'j', item_id: 'i', run: 3 };
/** A tree: the schema refers to itself, at its root and below. */
const TREE: JobSpec['output_schema'] = {
  $id: 'https://example.com/tree',
  type: 'object',
  properties: {
    name: { $ref: '#/$defs/name' },
    children: { type: 'array', items: { $ref: '#' } },
    same: { $ref: 'https://example.com/tree#/$defs/name' },
    shown: { const: { $ref: '#/$defs/name' } },
  },
  required: ['name'],
  $defs: { name: { type: 'string', minLength: 1 } },
};

function run(output_schema: JobSpec['output_schema'] = true) {
  const sent: Report[] = [];
  const rules = { check: compileSchema(output_schema), max_result_bytes: 1000 };
  const terms = { rules, tool: reportTool(output_schema) };
  const reports = new RunReports(RUN, terms, async (report) => {
    sent.push(report);
    return 'delivered';
  });
  return { reports, sent, token: endpoint.admit(reports) };
}

async function connected<T>(token: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(endpoint.mcpUrl), { requestInit }),
  );
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const call = (client: Client, args: Record<string, unknown>) =>
  client.callTool({ name: 'report_agent_job_result', arguments: args });
const IDS = { job_id: 'j', item_id: 'i' };

test('a report by the tool is sent on, and answered once it is delivered', async () => {
  const { token, sent } = run();
  const answer = await connected(token, (client) =>
    call(client, { ...IDS, result: 1, stop: true }),
  );
  assert.deepEqual(answer.structuredContent, { accepted: true });
  assert.deepEqual(sent, [{ ...RUN, result: 1, stop: true }]);
});

test('the tool shows the output schema in its own place', async () => {
  const { token } = run(TREE);
  const [tool, ...others] = (await connected(token, (client) => client.listTools())).tools;
  assert.deepEqual(others, []);
  const { result } = tool!.inputSchema.properties as { result: unknown };
  assert.deepEqual(result, {
    type: 'object',
    properties: {
      name: { $ref: '#/properties/result/$defs/name' },
      children: { type: 'array', items: { $ref: '#/properties/result' } },
      same: { $ref: '#/properties/result/$defs/name' },
      shown: { const: { $ref: '#/$defs/name' } },
    },
    required: ['name'],
    $defs: { name: { type: 'string', minLength: 1 } },
  });
  // As a whole, it is a schema that takes what the job's own takes.
  const check = compileSchema(tool!.inputSchema as JobSpec['output_schema'] & object);
  const tree = { name: 'a', children: [{ name: 'b', children: [] }] };
  assert.deepEqual(check({ ...IDS, result: tree }), []);
  assert.notDeepEqual(check({ ...IDS, result: { name: 'a', children: [{}] } }), []);
});

test('what breaks the schema is a tool error that says what to mend', async () => {
  const { token, sent, reports } = run(TREE);
  await connected(token, async (client) => {
    const refused = await call(client, { ...IDS, result: { name: '', children: [] } });
    assert.equal(refused.isError, true);
    const [content] = refused.content;
    assert.match(
      content?.type === 'text' ? content.text : '',
      /^not accepted: \/name: .*call again/,
    );
    assert.equal((refused.structuredContent as { accepted: boolean }).accepted, false);
    const mended = await call(client, { ...IDS, result: { name: 'a' } });
    assert.deepEqual(mended.structuredContent, { accepted: true });
  });
  assert.deepEqual([sent.length, reports.refused], [1, 1]);
});

test('another job, another item and another tool are refused', async () => {
  const { token, sent } = run();
  await connected(token, async (client) => {
    for (const args of [
      { ...IDS, job_id: 'k', result: 1 },
      { ...IDS, item_id: 'k', result: 1 },
      { ...IDS },
      { ...IDS, result: 1, extra: 1 },
    ]) {
      assert.equal((await call(client, args)).isError, true, JSON.stringify(args));
    }
    const other = await client.callTool({ name: 'other', arguments: {} });
    assert.equal(other.isError, true);
  });
  assert.deepEqual(sent, []);
});

test('after so many refused reports the run is exhausted, and a good one still counts', async () => {
  const { token, sent, reports } = run({ type: 'string' });
  let exhausted = 0;
  reports.onExhausted = () => (exhausted += 1);
  await connected(token, async (client) => {
    for (let n = 1; n <= MAX_REFUSED_REPORTS; n += 1) {
      assert.equal(exhausted, 0);
      await call(client, { ...IDS, result: n });
    }
    assert.equal(exhausted, 1);
    await call(client, { ...IDS, result: 'good' });
  });
  assert.deepEqual(sent, [{ ...RUN, result: 'good' }]);
});

test('without the token of a run there is nothing, nor for a page of a browser', async () => {
  const { token } = run();
  await assert.rejects(connected('made-up', (client) => client.listTools()));
  const initialize = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const answer = await fetch(endpoint.mcpUrl, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, origin: 'http://attacker.example' },
    body: JSON.stringify(initialize),
  });
  assert.equal(answer.status, 403);
});

test('no stream is held open: the end of an agent is not waited for in vain', async () => {
  const { token, reports } = run();
  const stream = await fetch(endpoint.mcpUrl, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
  });
  assert.equal(stream.status, 405);
  await connected(token, (client) => client.listTools());
  assert.equal(await reports.finish(new AbortController().signal), undefined);
});
