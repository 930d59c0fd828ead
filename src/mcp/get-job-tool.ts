import type { McpServer } from '@modelcontextprotocol/server';
import { connected } from '../cli/server.js';
import { within } from './call-time.js';
import { jobId, toolArguments, waitSeconds } from './arguments.js';
import { jobAnswer, jobAnswerSchema, startAnswer } from './job-answer.js';
import type { JobStarts } from './job-starts.js';
import { ProgressNotes } from './progress.js';
import { answering, toolAnswer } from './tool-answer.js';
import { until } from './until.js';
import { waitForJob } from './wait-for-job.js';

/** `get_agent_job`: how a job stands, or how it ends. */
export function addGetJob(server: McpServer, starts: JobStarts): void {
  server.registerTool(
    'get_agent_job',
    {
      title: 'How a job stands',
      description:
        'Tell how a job of spawn_agents_on_csv stands, in the same shape; with `wait_seconds`, wait for its end first.',
      inputSchema: toolArguments({ job_id: jobId, wait_seconds: waitSeconds('0 by default') }),
      outputSchema: jobAnswerSchema,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ job_id, wait_seconds = 0 }, context) =>
      answering(async () => {
        const over = within(wait_seconds, context.mcpReq.signal);
        const start = starts.find(job_id);
        if (start !== undefined) {
          const started = await until(
            start.done.then(() => true),
            over,
          );
          if (started === undefined) return toolAnswer(startAnswer(job_id, start));
        }
        const progress = new ProgressNotes(context);
        return connected(async (site) => {
          const record = await site.jobs.store.job(job_id).record();
          const { status, said } = await waitForJob(site, job_id, {
            over,
            spec: record?.spec ?? start?.spec,
            show: (status) => progress.show(status, record?.total ?? start?.total),
          });
          return toolAnswer(await jobAnswer(site.jobs, status, record ?? start, said));
        });
      }),
  );
}
