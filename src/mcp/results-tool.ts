import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { connected } from '../cli/server.js';
import type { ItemResult, JobHandle } from '../client.js';
import { jobId, toolArguments } from './arguments.js';
import { jobAnswerSchema, statusWord } from './job-answer.js';
import type { JobStarts } from './job-starts.js';
import { answering, toolAnswer } from './tool-answer.js';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
/** What a model can be expected to read at once, as JSON text. */
const MAX_BYTES = 65_536;

const row = z.object({
  item_id: z.string(),
  row_index: z.int().min(0),
  source_id: z.string().nullable(),
  status: z.enum(['pending', 'running', 'completed', 'failed', 'cancelled']),
  result: z.unknown().describe('What the agent reported; null where there is no result.'),
  result_bytes: z
    .int()
    .min(0)
    .optional()
    .describe('Set where the result is left out since it is too long for an answer.'),
  last_error: z.string().nullable(),
});
type Row = z.infer<typeof row>;

const resultsSchema = jobAnswerSchema
  .pick({ job_id: true, status: true, total_items: true })
  .extend({
    rows: z.array(row),
    next_from: z
      .int()
      .min(0)
      .nullable()
      .describe('`from` of the next page; null after the last one.'),
  });

/** `get_agent_job_results`: what the agents reported, a page at a time. */
export function addResults(server: McpServer, starts: JobStarts): void {
  server.registerTool(
    'get_agent_job_results',
    {
      title: 'Results of a job',
      description:
        'Get what the agents of a job have reported so far, and what went wrong with the others, in the order of the rows. ' +
        'Long results come in pages: call again with `from` set to `next_from` until that is null. ' +
        'All of it is also in `output_csv_path` once the job has ended.',
      inputSchema: toolArguments({
        job_id: jobId,
        from: z.int().min(0).optional().describe('Index of the first row, from 0. Default: 0.'),
        limit: z
          .int()
          .min(1)
          .max(MAX_LIMIT)
          .optional()
          .describe(`Rows at most, up to ${MAX_LIMIT}. Default: ${DEFAULT_LIMIT}.`),
        status: row.shape.status.optional().describe('Only rows of this status. Default: all.'),
      }),
      outputSchema: resultsSchema,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ job_id, from = 0, limit = DEFAULT_LIMIT, status }) =>
      answering(async () => {
        await starts.find(job_id)?.done;
        return connected(async ({ jobs }) => {
          const job = jobs.job(job_id);
          const stands = await job.status();
          return toolAnswer({
            job_id,
            status: statusWord(stands),
            total_items: stands.total,
            ...(await page(job, { from, limit, status })),
          });
        });
      }),
  );
}

async function page(
  job: JobHandle,
  query: { from: number; limit: number; status: ItemResult['status'] | undefined },
): Promise<{ rows: Row[]; next_from: number | null }> {
  const rows: Row[] = [];
  let bytes = 0;
  for await (const item of job.itemResults(query)) {
    const fitting = fit(item);
    bytes += sizeOf(fitting);
    if (rows.length === query.limit || (rows.length > 0 && bytes > MAX_BYTES)) {
      return { rows, next_from: item.row_index };
    }
    rows.push(fitting);
  }
  return { rows, next_from: null };
}

/** A row that fits into an answer. */
function fit(item: ItemResult): Row {
  if (sizeOf(item) <= MAX_BYTES) return item;
  return { ...item, result: null, result_bytes: sizeOf(item.result) };
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
