/**
 * A job from application code: starts it, watches it, says where its output is.
 *
 * Needs a server and a worker (`./temporal-dev.sh up` and `npx agent-jobs worker`):
 * `node --import tsx examples/start-from-code.ts [OUTPUT.csv]`
 */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentJobs } from 'agent-jobs';

const example = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const jobs = await AgentJobs.connect();
const job = await jobs.start({
  csv_path: example('tickets.csv'),
  id_column: 'id',
  instruction: 'Which team is to answer this ticket, and is it urgent?\n\n{subject}\n\n{text}',
  agent: { command: ['node', example('triage-agent.mjs')] },
  output_schema: {
    type: 'object',
    properties: { team: { enum: ['billing', 'support'] }, urgent: { type: 'boolean' } },
    required: ['team', 'urgent'],
  },
  output_csv_path: resolve(process.argv[2] ?? join(tmpdir(), 'triaged-tickets.csv')),
  overwrite: true,
  max_runtime_seconds: 60,
});
console.log(`Job ${job.jobId}`);

// Another process could go on from here: `jobs.job(jobId)` is the same handle.
for await (const { state, completed, failed, total } of job.watch()) {
  console.log(`${state}: ${completed} of ${total} completed, ${failed} failed`);
}

const summary = await job.result();
console.log(`${summary.verdict}: ${summary.output_csv_path}`);
for (const { item_id, last_error } of summary.failures) console.log(`  ${item_id}: ${last_error}`);

await jobs.close();
process.exitCode = summary.verdict === 'succeeded' ? 0 : 1;
