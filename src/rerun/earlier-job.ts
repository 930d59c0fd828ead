import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { items, knownOutcomes } from '../known-outcomes.js';
import { type JobSpec, type RerunSpec, defaultOutputPath, outputKey } from '../job.js';
import { parseSpec } from '../spec.js';
import { type JobRecord, PAGE_ROWS } from '../store/job-record.js';
import type { StoredJob } from '../store/job-store.js';
import { type RowWithOutcome, takenFrom } from '../store/kept-outcomes.js';
import { type EarlierRows, RerunRefused } from './earlier-rows.js';

/**
 * A job that is over, from the store; whether it is over, the server tells where it still knows.
 * @throws {RerunRefused}
 */
export async function earlierJob(
  client: Client,
  job: StoredJob,
): Promise<EarlierRows & { record: JobRecord }> {
  const record = await job.record();
  if (record === undefined) {
    throw new RerunRefused(
      `no job ${job.jobId} with rows is in the job store. Of a job that is not there any more, rows can be run again from its output: name that file`,
    );
  }
  await mustBeOver(client, job.jobId);
  return {
    name: `job ${job.jobId}`,
    record,
    columns: () => record.columns,
    rows: rowsOf(client, job, record),
  };
}

/**
 * What a job is that runs rows of an earlier one again: as that was asked for, but for what is to be different.
 * @param jobId of the new job. @throws {SpecError}
 */
export function rerunSpec(given: RerunSpec, earlier: JobRecord, jobId: string): JobSpec {
  // What was meant for the first job alone.
  const { overwrite: _, reuse: __, deadline: ___, sample: ____, ...taken } = earlier.spec;
  const changes = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  const spec = { ...taken, output_csv_path: outputPath(earlier, jobId), ...changes };
  // What is different may not go with what is taken over.
  const { job_id: _job, ...selection } = given.rerun_of;
  return parseSpec({ ...spec, rerun_of: selection });
}

/** Beside the input, and in the format that was asked for the first time. */
function outputPath({ spec, output_csv_path }: JobRecord, jobId: string): string {
  const path = defaultOutputPath(spec.csv_path, jobId);
  return outputKey(output_csv_path).endsWith('.jsonl') ? path.replace(/\.csv$/, '.jsonl') : path;
}

async function mustBeOver(client: Client, jobId: string): Promise<void> {
  if (await isRunning(client, jobId)) {
    throw new RerunRefused(
      `job ${jobId} still runs. To start single rows of it once more: agent-jobs retry ${jobId} ITEM. To wait for its end: agent-jobs watch ${jobId}`,
    );
  }
  for await (const { workflowId } of items(client, jobId, `= 'Running'`)) {
    // The list may be some time behind.
    if (!(await isRunning(client, workflowId))) continue;
    throw new RerunRefused(
      `job ${jobId} is over, but items of it still run, as ${workflowId}. To end them: agent-jobs cancel ${jobId}`,
    );
  }
}

async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    // Forgotten: it has been over for long.
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function* rowsOf(
  client: Client,
  job: StoredJob,
  record: JobRecord,
): AsyncGenerator<RowWithOutcome> {
  const outcomeOf = await knownOutcomes(client, job, record);
  for (let row_index = 0; row_index < record.total;) {
    for (const row of await job.page(row_index / PAGE_ROWS)) {
      const { item_id, source_id } = row;
      const outcome = await outcomeOf({ row_index, item_id });
      yield {
        item_id,
        source_id,
        row: await job.cells(row),
        ...(outcome !== undefined && { outcome: takenFrom(job, item_id, outcome) }),
      };
      row_index += 1;
    }
  }
}
