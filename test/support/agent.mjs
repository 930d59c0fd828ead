// The agent of the tests: does what its prompt says, a JSON list of steps.
// ["sleep", ms] ["report", result, {stop?, timeout_ms?, token?, token_of?, extra?}] ["report-raw", body]
// ["report-sized", bytes of the result's JSON] ["report-nested", levels] ["together", steps]
// ["save-env", path] ["out", text] ["err", text] ["exit", code] ["hang"] ["wait-for", path] ["ignore-term"] ["touch", path]
// ["append", path] ["mkdir", path]
// ["background", steps] (a child in the agent's group) ["daemon", steps] (a child of its own session)
// Every answer to a report is printed as a line "answer <status> <body>".
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const env = process.env;

async function post(body, { timeout_ms, token, token_of } = {}) {
  if (token_of !== undefined) token = JSON.parse(readFileSync(token_of)).AGENT_JOBS_REPORT_TOKEN;
  try {
    const response = await fetch(env.AGENT_JOBS_REPORT_URL, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token ?? env.AGENT_JOBS_REPORT_TOKEN}`,
        'content-type': 'application/json',
      },
      body,
      ...(timeout_ms === undefined ? {} : { signal: AbortSignal.timeout(timeout_ms) }),
    });
    console.log(`answer ${response.status} ${await response.text()}`);
  } catch (error) {
    console.log(`answer none ${error.name}`);
  }
}

const steps = {
  sleep: (ms) => sleep(ms),
  report: (result, { stop, extra, ...options } = {}) =>
    post(JSON.stringify({ result, ...(stop && { stop }), ...extra }), options),
  'report-raw': (body) => post(body),
  'report-sized': (bytes) => post(JSON.stringify({ result: 'x'.repeat(bytes - 2) })),
  'report-nested': (levels) => post(`{"result":${'['.repeat(levels)}${']'.repeat(levels)}}`),
  together: (list) => Promise.all(list.map(([step, ...args]) => steps[step](...args))),
  'save-env': (path) => writeFileSync(path, JSON.stringify(env)),
  out: (line) => console.log(line),
  err: (line) => console.error(line),
  exit: (code) => process.exit(code),
  hang: () => new Promise(() => setInterval(() => {}, 60_000)),
  'wait-for': async (path) => {
    while (!existsSync(path)) await sleep(20);
  },
  'ignore-term': () => void process.on('SIGTERM', () => {}),
  touch: (path) => writeFileSync(path, String(process.pid)),
  mkdir: (path) => mkdirSync(path),
  append: (path) => appendFileSync(path, `${env.AGENT_JOBS_ITEM_ID} ${process.pid}\n`),
  background: (list) => start(list, false),
  daemon: (list) => start(list, true),
};

function start(list, detached) {
  const child = spawn(process.execPath, [import.meta.filename], {
    detached,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end(JSON.stringify(list));
  child.unref();
}

for (const [step, ...args] of JSON.parse(await text(process.stdin))) await steps[step](...args);
