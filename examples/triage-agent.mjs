// About the smallest agent: takes its row, and reports by HTTP. Stands in for an AI agent, which would
// read the prompt on standard input.
import { readFileSync } from 'node:fs';

const { text } = JSON.parse(readFileSync(process.env.AGENT_JOBS_ROW_FILE, 'utf8'));
const team = /invoice|payment|refund|charged/i.test(text) ? 'billing' : 'support';

const response = await fetch(process.env.AGENT_JOBS_REPORT_URL, {
  method: 'POST',
  headers: { authorization: `Bearer ${process.env.AGENT_JOBS_REPORT_TOKEN}` },
  body: JSON.stringify({ result: { team, urgent: text.includes('URGENT') } }),
});
if (!response.ok) {
  console.error(await response.text());
  process.exitCode = 1;
}
