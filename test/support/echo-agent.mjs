// An agent that reports what it was given.
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const { env } = process;
const names = Object.keys(env).filter((name) => /^(AGENT_JOBS|TEMPORAL|TEST)_/.test(name));
const result = {
  stdin: await text(process.stdin),
  argv: process.argv.slice(2),
  cwd: process.cwd(),
  env: Object.fromEntries(names.map((name) => [name, env[name]])),
  row: JSON.parse(readFileSync(env.AGENT_JOBS_ROW_FILE, 'utf8')),
};
await fetch(env.AGENT_JOBS_REPORT_URL, {
  method: 'POST',
  headers: { authorization: `Bearer ${env.AGENT_JOBS_REPORT_TOKEN}` },
  body: JSON.stringify({ result }),
});
