// An agent that tries what it must not be able to do, and reports what came of it.
// Its prompt is JSON: { worker: pid, store: folder }.
import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

const { env } = process;
const { worker, store } = JSON.parse(await text(process.stdin));
const endpoint = new URL(env.AGENT_JOBS_REPORT_URL);
const token = env.AGENT_JOBS_REPORT_TOKEN;

/** By hand: fetch sets Host itself, and does not take every method. */
function send({ method = 'POST', path = '/report', headers = {}, bearer = token, body }) {
  return new Promise((resolve, fail) => {
    const outgoing = request(
      {
        host: endpoint.hostname,
        port: endpoint.port,
        method,
        path,
        headers: {
          ...(bearer && { authorization: `Bearer ${bearer}` }),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers,
        },
      },
      (answer) => {
        text(answer).then((body) => resolve({ status: answer.statusCode, body }), fail);
      },
    );
    outgoing.on('error', fail);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const statusOf = async (how) => (await send(how)).status;
const call = (method, params) => ({ jsonrpc: '2.0', id: 1, method, params });
const attempted = (read) => {
  try {
    return read();
  } catch (error) {
    return error.code;
  }
};

const tried = {
  uid: process.getuid(),
  variables: Object.keys(env).filter((name) => /^(TEMPORAL|AWS|TEST|AGENT_JOBS)_/.test(name)),
  asOther: {
    item: await statusOf({ body: { result: 1, item_id: 'victim' } }),
    job: await statusOf({ body: { result: 1, job_id: 'other' } }),
    run: await statusOf({ body: { result: 1, run: 7 } }),
    byMcp: (
      await send({
        path: '/mcp',
        body: call('tools/call', {
          name: 'report_agent_job_result',
          arguments: { job_id: env.AGENT_JOBS_JOB_ID, item_id: 'victim', result: 1 },
        }),
      })
    ).body.includes('"isError":true'),
  },
  without: await statusOf({ bearer: '', body: { result: 1 } }),
  guessed: await statusOf({ bearer: token.slice(1) + token[0], body: { result: 1 } }),
  elsewhere: Object.fromEntries(
    await Promise.all(
      [
        ['GET', '/report'],
        ['PUT', '/report'],
        ['DELETE', '/report'],
        ['GET', '/'],
        ['GET', '/jobs'],
        ['POST', '/report/../mcp/x'],
        ['GET', '/../../../../etc/passwd'],
        ['GET', '/mcp'],
      ].map(async ([method, path]) => [`${method} ${path}`, await statusOf({ method, path })]),
    ),
  ),
  otherTool: (
    await send({
      path: '/mcp',
      body: call('tools/call', { name: 'stop_agent_job', arguments: {} }),
    })
  ).body.includes('"isError":true'),
  resources: (await send({ path: '/mcp', body: call('resources/list', {}) })).body.includes(
    '"error"',
  ),
  rebinding: {
    host: await statusOf({ headers: { host: 'attacker.example' }, body: { result: 1 } }),
    origin: await statusOf({
      headers: { origin: 'https://attacker.example' },
      body: { result: 1 },
    }),
  },
  worker: attempted(() => readFileSync(`/proc/${worker}/environ`, 'utf8').includes('TEST_SECRET')),
  store: attempted(() => readdirSync(store).length > 0),
};
const answer = await send({ body: { result: tried } });
console.log(`answer ${answer.status} ${answer.body}`);
