/** The report endpoint by itself: who gets in, and what is answered while a report is on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import type { Report } from '../src/job.js';
import type { Delivery } from '../src/report/delivery.js';
import { ReportEndpoint } from '../src/report/endpoint.js';
import { reportTool } from '../src/report/report-tool.js';
import { RunReports } from '../src/report/run-reports.js';
import { until } from './support/site.js';

let endpoint: ReportEndpoint;
before(async () => {
  endpoint = await ReportEndpoint.listen();
});
after(() => endpoint.close());

const RUN = { job_id: 'j', item_id: 'i', run: 3 };
const NEVER = new AbortController().signal;

/** A run of which the test decides what becomes of its reports, one by one. */
function run() {
  const sent: Report[] = [];
  const deliveries: ((delivery: Delivery) => void)[] = [];
  const reports = new RunReports(
    RUN,
    { rules: { check: () => [], max_result_bytes: 100 }, tool: reportTool(true) },
    (report, giveUp) => {
      sent.push(report);
      return new Promise((resolve) => {
        deliveries.push(resolve);
        giveUp.addEventListener('abort', () => resolve('undelivered'));
      });
    },
  );
  return { reports, sent, deliveries, token: endpoint.admit(reports) };
}

interface Sent {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** Not by fetch: it allows neither every header nor a body that is not read to its end. */
async function send(token: string | undefined, { method = 'POST', path, headers, body }: Sent) {
  const outgoing = request(path === undefined ? endpoint.url : new URL(path, endpoint.url), {
    method,
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
  });
  // A server that has answered need not read the rest.
  outgoing.on('socket', (socket) => socket.on('error', () => {}));
  outgoing.end(method === 'GET' ? undefined : (body ?? '{"result":1}'));
  const [response] = await once(outgoing, 'response');
  const answer = await text(response);
  return { status: response.statusCode as number, answer };
}

const errorOf = ({ answer }: { answer: string }) =>
  (JSON.parse(answer) as { errors: { message: string }[] }).errors[0]!.message;

test('it listens on loopback, and takes no other host and no page of a browser', async () => {
  const { token, sent } = run();
  assert.match(endpoint.url, /^http:\/\/127\.0\.0\.1:\d+\/report$/);
  const strange = [
    { host: 'attacker.example' },
    { host: 'attacker.example:80' },
    { host: '127.0.0.1.attacker.example' },
    { origin: 'http://attacker.example' },
    { origin: 'http://127.0.0.1.attacker.example' },
    { origin: 'null' },
  ];
  for (const headers of strange) {
    const refused = await send(token, { headers });
    assert.equal(refused.status, 403, JSON.stringify(headers));
    assert.equal(errorOf(refused), 'this host or origin is not served');
  }
  assert.deepEqual(sent, []);
  for (const headers of [{ host: 'localhost:80' }, { origin: 'http://localhost:3000' }]) {
    assert.equal((await send('made-up', { headers })).status, 401, JSON.stringify(headers));
  }
});

test('what came before anybody listened is told to who does', async () => {
  const { reports, token, deliveries } = run();
  const told: string[] = [];
  const sent = send(token, {});
  await until('the report is on its way', () => deliveries.length > 0);
  deliveries[0]!('delivered');
  await sent;
  reports.onDelivered = () => told.push('delivered');
  assert.deepEqual(told, ['delivered']);
});

test('without a token of a run there is nothing to be learned', async () => {
  const { token } = run();
  const attempts: [string | undefined, Sent][] = [
    [undefined, {}],
    ['made-up', {}],
    [`${token}x`, {}],
    [undefined, { headers: { authorization: token } }],
    [undefined, { headers: { authorization: `Basic ${token}` } }],
    [undefined, { method: 'GET', path: '/' }],
    ['made-up', { body: 'x'.repeat(9 * 1024 * 1024) }],
  ];
  for (const [bearer, how] of attempts) {
    const refused = await send(bearer, how);
    assert.equal(refused.status, 401);
    assert.equal(errorOf(refused), 'the token is unknown or has expired: its run has ended');
  }
  for (const how of [{ method: 'GET' }, { method: 'PUT' }, { path: '/' }, { path: '/report/x' }]) {
    assert.equal((await send(token, how)).status, 404);
  }
});

test('a token expires some time after its run', async () => {
  const { token, deliveries, reports } = run();
  const first = send(token, {});
  (await until('a delivery', () => deliveries[0]))('delivered');
  assert.equal((await first).status, 200);
  assert.equal(await reports.finish(NEVER), undefined);
  endpoint.expire(token, 3000);
  assert.equal((await send(token, {})).status, 200);
  await until('expiry', async () => (await send(token, {})).status === 401);
});

test('a body over 8 MB is refused, whole or in chunks', async () => {
  const { token, reports } = run();
  const body = Buffer.alloc(8 * 1024 * 1024 + 1, 'x');
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const refused = await send(token, { body, headers });
    assert.equal(refused.status, 413);
    assert.equal(errorOf(refused), 'the report is over 8388608 bytes');
  }
  assert.equal(reports.lastRefusal, 'the report is over 8388608 bytes');
});

test('the same report is sent on once, however often it comes while it is on its way', async () => {
  const { token, sent, deliveries } = run();
  const both = [send(token, {}), send(token, {})];
  (await until('a delivery', () => deliveries[0]))('delivered');
  const answers = (await Promise.all(both)).map(({ answer }) => answer);
  assert.deepEqual(answers.toSorted(), ['{"accepted":true,"duplicate":true}', '{"accepted":true}']);
  assert.deepEqual(sent, [{ result: 1, ...RUN }]);
  // A different one is refused at once, also before the first has arrived.
  const other = run();
  const first = send(other.token, {});
  await until('a delivery', () => other.deliveries[0]);
  const second = await send(other.token, { body: '{"result":2}' });
  assert.equal(second.status, 409);
  assert.equal(errorOf(second), 'another result was reported before');
  assert.equal(other.reports.lastRefusal, 'another result was reported before');
  other.deliveries[0]!('delivered');
  assert.equal((await first).answer, '{"accepted":true}');
});

test('`accepted` is not answered before the server has the report', async () => {
  const { token, deliveries } = run();
  let answered = false;
  const answer = send(token, {}).finally(() => (answered = true));
  const delivered = await until('a delivery', () => deliveries[0]);
  await delay(200);
  assert.equal(answered, false);
  delivered('delivered');
  assert.equal((await answer).status, 200);
});

test('what the server does not take is tried again, then told, and goes home with the agent', async () => {
  const { token, deliveries, sent, reports } = run();
  const answer = send(token, { body: '{"result":1,"stop":true}' });
  (await until('a delivery', () => deliveries[0]))('undelivered');
  (await until('another', () => deliveries[1]))('undelivered');
  const refused = await answer;
  assert.equal(refused.status, 503);
  assert.match(errorOf(refused), /does not take the report; it is delivered when the agent ends/);
  assert.deepEqual(sent[1], { result: 1, stop: true, ...RUN });
  assert.deepEqual(await reports.finish(NEVER), { result: 1, stop: true });
});

test('the end of a run waits for every request, and for the delivery of what nobody waits for', async () => {
  const { token, deliveries, reports } = run();
  const answer = send(token, {});
  const delivered = await until('a delivery', () => deliveries[0]);
  let over = false;
  const finished = reports.finish(NEVER).finally(() => (over = true));
  await delay(100);
  assert.equal(over, false);
  delivered('delivered');
  assert.equal((await answer).status, 200);
  assert.equal(await finished, undefined);

  const left = run();
  const outgoing = request(endpoint.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${left.token}` },
  });
  outgoing.on('error', () => {});
  outgoing.end('{"result":1}');
  await until('a delivery', () => left.deliveries[0]);
  outgoing.destroy();
  const hurry = new AbortController();
  const home = left.reports.finish(hurry.signal);
  hurry.abort();
  assert.deepEqual(await home, { result: 1, stop: false });
});

test('an item that has closed is told of', async () => {
  const { token, deliveries, reports } = run();
  const answer = send(token, {});
  (await until('a delivery', () => deliveries[0]))('settled');
  assert.equal((await answer).status, 409);
  assert.equal(errorOf(await answer), 'the item is settled: its outcome is fixed');
  assert.equal(await reports.finish(NEVER), undefined);
});
