/**
 * An external party: looks what there is to do in a job whose agent is `{"external": true}`, does it,
 * and reports, until the job has ended. May be a person's tool as well, or a program in any language:
 * what it uses are the item's query `item` and its update `report_agent_job_result`.
 *
 * `node --import tsx examples/external-worker.ts JOB_ID`
 */
import { AgentJobs } from 'agent-jobs';

const jobId = process.argv[2];
if (jobId === undefined) throw new Error('usage: external-worker.ts JOB_ID');

const jobs = await AgentJobs.connect();
const job = jobs.job(jobId);
const done = new Set<string>();

// Once a second, and a last time when the job has ended.
for await (const _ of job.watch()) {
  for await (const { item_id } of job.items('running')) {
    if (done.has(item_id)) continue; // its end is not listed yet
    const task = await job.task(item_id);
    if (task === undefined) continue; // it has only begun: the next round finds it
    const { text } = task.row as { text: string };
    const result = { words: text.split(/\s+/).length };
    const answer = await jobs.report({ job_id: jobId, item_id, result });
    // Refused, for instance, where its deadline has passed or somebody else was faster.
    console.log(item_id, answer.accepted ? 'accepted' : answer.errors[0]?.message);
    done.add(item_id);
  }
}

const { verdict, completed, total } = await job.result();
console.log(`${verdict}: ${completed} of ${total} completed`);
await jobs.close();
