import type { McpServer } from '@modelcontextprotocol/server';
import { UsageError } from '../cli/errors.js';
import { connected } from '../cli/server.js';
import { DEFAULT_WAIT_SECONDS, toolArguments, waitSeconds } from './arguments.js';
import { within } from './call-time.js';
import { clientName, clientRoot } from './client.js';
import { enclosingJob } from './enclosing-job.js';
import { STATUS_HELP, jobAnswer, jobAnswerSchema, startAnswer } from './job-answer.js';
import type { JobStarts } from './job-starts.js';
import { ProgressNotes } from './progress.js';
import { readSpec, specArguments } from './read-spec.js';
import { answering, toolAnswer } from './tool-answer.js';
import { until } from './until.js';
import { waitForJob } from './wait-for-job.js';

const DESCRIPTION =
  'Process a CSV by running one agent per row. `instruction` is a template in which `{column}` is replaced ' +
  "by the row's cell. Each agent has to report a JSON result with `report_agent_job_result` (one that meets " +
  '`output_schema`, where that is given); a row without a report is failed. Relative paths are resolved ' +
  'against your workspace, which is also where the agents run. Waits until all rows have ended and the results ' +
  'are written to `output_csv_path`, or until `wait_seconds` are over: then the job goes on, and `next` ' +
  `says how to follow it. ${STATUS_HELP}`;

/** `spawn_agents_on_csv`: starts a job and waits for its end. */
export function addSpawn(server: McpServer, starts: JobStarts, allowNested: boolean): void {
  server.registerTool(
    'spawn_agents_on_csv',
    {
      title: 'Run an agent for each row of a CSV',
      description: DESCRIPTION,
      inputSchema: toolArguments({
        ...specArguments,
        wait_seconds: waitSeconds(`${DEFAULT_WAIT_SECONDS} by default`),
      }),
      outputSchema: jobAnswerSchema,
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
    },
    async ({ wait_seconds = DEFAULT_WAIT_SECONDS, ...given }, context) =>
      answering(async () => {
        if (!allowNested) await refuseWithinJob();
        const root = clientRoot(server, context);
        if (typeof root !== 'string') return root;
        const { signal } = context.mcpReq;
        const over = within(wait_seconds, signal);
        const inTime = within(Math.max(wait_seconds, START_SECONDS), signal);
        const job = await readSpec(given, { name: clientName(server, context), root });
        const start = starts.begin(job.jobId, job);
        const started = await until(
          start.done.then(() => true),
          inTime,
        );
        if (started === undefined) return toolAnswer(startAnswer(job.jobId, start));
        const progress = new ProgressNotes(context);
        return connected(async (site) => {
          const { status, said } = await waitForJob(site, job.jobId, {
            over,
            spec: job.spec,
            show: (status) => progress.show(status, job.total),
          });
          return toolAnswer(await jobAnswer(site.jobs, status, job, said));
        });
      }),
  );
}

/** A start that fails is to be told at once, also where the job's end is not waited for. */
const START_SECONDS = DEFAULT_WAIT_SECONDS;

/** @throws {UsageError} */
async function refuseWithinJob(): Promise<void> {
  const job = await enclosingJob();
  if (job === undefined) return;
  throw new UsageError(
    `this is an agent of job ${job}, and agents that start jobs multiply: do the row's work here, or have the user allow it by starting "agent-jobs mcp" with --allow-nested`,
  );
}
