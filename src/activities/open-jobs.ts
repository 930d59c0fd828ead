import { ApplicationFailure } from '@temporalio/common';
import { type Workdir, parseWorkdir } from '../agent/workdir.js';
import { parseTemplate, renderTemplate } from '../input/template.js';
import { type Json, isProcess } from '../job.js';
import { WRONG_STORE_FAILURE } from '../messages.js';
import { reportTool } from '../report/report-tool.js';
import type { ReportTerms } from '../report/run-reports.js';
import { compileSchema } from '../schema.js';
import { settingsOf } from '../spec.js';
import type { JobRecord } from '../store/job-record.js';
import type { JobStore, StoredJob } from '../store/job-store.js';
import type { JobRef } from './contract.js';
import { RecentPages } from './recent-pages.js';

/** A job as a worker works on it: its record, with what is made of it once. */
export interface OpenJob {
  record: JobRecord;
  stored: StoredJob;
  terms: ReportTerms;
  prompt: (row: { [column: string]: Json }) => string;
  row: (rowIndex: number) => Promise<{ [column: string]: Json }>;
  /** Where its agents work, where the job says so. */
  workdir: Workdir | undefined;
}

const MAX_OPEN = 100;

/** The jobs that this worker works on, read from the store once. */
export class OpenJobs {
  readonly #store: JobStore;
  readonly #open = new Map<string, Promise<OpenJob>>();
  readonly #pages = new RecentPages();

  constructor(store: JobStore) {
    this.#store = store;
  }

  /** @throws ApplicationFailure of type `WrongStore`, to be retried: by a worker that has the store. */
  async stored({ job_id, store_id }: JobRef): Promise<StoredJob> {
    const own = await this.#store.blobs.id();
    if (own !== store_id) {
      throw ApplicationFailure.retryable(
        `job ${job_id} is in job store ${store_id}; this worker has ${own} (${this.#store.blobs.location}). ` +
          'Give the workers one store with --store or AGENT_JOBS_STORE',
        WRONG_STORE_FAILURE,
      );
    }
    return this.#store.job(job_id);
  }

  async open(ref: JobRef): Promise<OpenJob> {
    const stored = await this.stored(ref);
    let opening = this.#open.get(ref.job_id);
    if (opening === undefined) {
      opening = open(stored, this.#pages);
      this.#open.set(ref.job_id, opening);
      opening.catch(() => this.#open.delete(ref.job_id));
      if (this.#open.size > MAX_OPEN) this.#open.delete(this.#open.keys().next().value!);
    }
    return opening;
  }
}

async function open(stored: StoredJob, pages: RecentPages): Promise<OpenJob> {
  const record = await stored.record();
  if (record === undefined) throw new Error(`job ${stored.jobId} is not in the store`);
  const { spec } = record;
  const workdir = isProcess(spec.agent) ? spec.agent.workdir : undefined;
  const template = parseTemplate(spec.instruction, record.columns);
  return {
    record,
    stored,
    terms: {
      rules: {
        check: spec.output_schema === undefined ? () => [] : compileSchema(spec.output_schema),
        max_result_bytes: settingsOf(spec, record.job_id).limits.max_result_bytes,
      },
      tool: reportTool(spec.output_schema),
    },
    row: (rowIndex) => pages.row(stored, rowIndex),
    prompt: (row) => renderTemplate(template, row),
    workdir: workdir === undefined ? undefined : parseWorkdir(workdir, record.columns),
  };
}
