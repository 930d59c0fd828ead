import { waiting } from './latency.js';
import { type BenchSite, itemId, patience } from './site.js';

/**
 * Has a job of so many rows, all in flight before the first is reported.
 * @returns how many were in flight at one time, by the job's own account, and how many have completed.
 */
export async function heldAtOnce(
  site: BenchSite,
  rows: number,
): Promise<{ held: number; completed: number }> {
  const job = await site.start({ rows, inFlight: rows });
  const items = Array.from({ length: rows }, (_, row) =>
    site.client.workflow.getHandle(`${job.jobId}/${itemId(row)}`),
  );
  const given = new AbortController();
  const report = async () => {
    for (const item of items) await waiting(item, given.signal);
    const { running } = await job.status();
    for (const item of items) await item.signal('report_agent_job_result', { result: 1 });
    return running ?? 0;
  };
  try {
    const what = `all ${rows} items of ${job.jobId} wait, and are reported`;
    const held = await site.within(what, patience(rows), report());
    await site.succeeded(job, rows);
    const { completed } = await job.status();
    return { held, completed };
  } finally {
    given.abort();
  }
}
