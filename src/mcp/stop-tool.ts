import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { connected } from '../cli/server.js';
import { unlessEnded } from '../cli/unless-ended.js';
import { jobId, toolArguments } from './arguments.js';
import { jobAnswer, jobAnswerSchema } from './job-answer.js';
import type { JobStarts } from './job-starts.js';
import { answering, toolAnswer } from './tool-answer.js';

const DEFAULT_REASON = 'stopped by stop_agent_job';

/** `stop_agent_job`: ends a job early. */
export function addStop(server: McpServer, starts: JobStarts): void {
  server.registerTool(
    'stop_agent_job',
    {
      title: 'Stop a job',
      description: `Have a job start no more rows, and let the agents that run come to their end; with \`cancel\`, end these, too. The results so far are written. Answers at once; get_agent_job tells when the job has ended.`,
      inputSchema: toolArguments({
        job_id: jobId,
        reason: z.string().optional().describe('Why, for whoever looks at the job.'),
        cancel: z.boolean().optional().describe('Also end the agents that run. Default: false.'),
      }),
      outputSchema: jobAnswerSchema,
      annotations: {
        readOnlyHint: false,
        destructiveHint: true,
        idempotentHint: true,
        openWorldHint: false,
      },
    },
    async ({ job_id, reason = DEFAULT_REASON, cancel = false }) =>
      answering(async () => {
        await starts.find(job_id)?.done;
        return connected(async ({ jobs }) => {
          const ended = await unlessEnded(jobs, job_id, (job) =>
            cancel ? job.cancel() : job.stop(reason),
          );
          const status = ended ?? (await jobs.job(job_id).status());
          return toolAnswer(await jobAnswer(jobs, status));
        });
      }),
  );
}
