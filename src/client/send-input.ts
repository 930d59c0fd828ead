import { extname } from 'node:path';
import { readBytes } from '../input/read-rows.js';
import type { JobSpec } from '../job.js';
import { checkOutput } from '../output/output-file.js';
import { settingsOf } from '../spec.js';
import type { StoredJob } from '../store/job-store.js';

/**
 * Brings a job's input into the store, for workers that do not see the caller's files.
 * @returns the spec that says so.
 * @throws {InputError} where it cannot be read; {@link OutputError} where the output, which no worker can
 *   check either, could not be written in the end; {@link StoreError}.
 */
export async function sendInput(stored: StoredJob, spec: JobSpec): Promise<JobSpec> {
  const { csv_path } = spec;
  await checkOutputOf(stored, spec);
  const extension = /^\.[A-Za-z0-9]+$/.exec(extname(csv_path))?.[0] ?? '';
  return { ...spec, input_key: await stored.saveInput(readBytes(csv_path), extension) };
}

/** @throws {OutputError} where the output could not be written, here where its caller is. */
export async function checkOutputOf({ jobId }: StoredJob, spec: JobSpec): Promise<void> {
  const { csv_path: input, overwrite = false } = spec;
  await checkOutput(settingsOf(spec, jobId).output_csv_path, { input, jobId, overwrite });
}
