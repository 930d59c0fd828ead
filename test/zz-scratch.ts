import { Site } from './support/site.js';
import { setTimeout as delay } from 'node:timers/promises';
const site = await Site.open();
await site.worker();
const job = await site.jobs.start(await site.spec({ a: [['report', 1]], b: [['report', 2]] }));
await delay(5000);
const h = await site.client.workflow.getHandle(job.jobId).fetchHistory();
for (const e of h.events ?? []) {
  const f = e.workflowTaskFailedEventAttributes?.failure;
  console.log(e.eventId?.toString(), e.eventType, f?.message, f?.stackTrace);
}
await site.close();
process.exit();
