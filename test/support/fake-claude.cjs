#!/usr/bin/env node
// Stands in for Claude Code: does what a word of its prompt says, and prints events as the real one does.
// good, mends (after two reports that are refused), unknown (to its model's service), silent
if (process.argv.includes('--version')) {
  console.log('2.1.300 (Claude Code)');
  process.exit();
}
const print = (event) => console.log(JSON.stringify(event));
const report = (body) =>
  fetch(process.env.AGENT_JOBS_REPORT_URL, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env.AGENT_JOBS_REPORT_TOKEN}` },
    body,
  });

async function work(task) {
  print({
    type: 'system',
    subtype: 'init',
    tools: ['mcp__agent_jobs__report_agent_job_result'],
    mcp_servers: [],
  });
  if (task === 'mends') {
    await report('not JSON');
    await report('{"result":7}');
  }
  if (task === 'good' || task === 'mends') await report('{"result":"good"}');
  print({
    type: 'result',
    is_error: task === 'unknown',
    result: task === 'unknown' ? '401 unauthorized' : 'Done.',
    usage: {
      input_tokens: 10,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 1,
      output_tokens: 7,
    },
    total_cost_usd: 0.25,
  });
  if (task === 'unknown') process.exitCode = 1;
}

let prompt = '';
process.stdin.on('data', (chunk) => (prompt += chunk));
process.stdin.on('end', () => void work(/TASK (\w+)/.exec(prompt)[1]));
