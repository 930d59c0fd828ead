/** Names of jobs and of their outputs. */

/**
 * A job ID names a workflow, a folder and a part of item workflow IDs.
 * @returns what is wrong with it, or undefined.
 */
export function jobIdProblem(jobId: string): string | undefined {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(jobId)) {
    return 'a job ID is 1 to 128 characters of A-Z a-z 0-9 . _ -';
  }
  if (/^\.+$/.test(jobId)) return 'a job ID is more than dots';
  return undefined;
}

/** `<stem>.agent-job-<job_id first 8>.csv` beside the input. */
export function defaultOutputPath(csvPath: string, jobId: string): string {
  const name = csvPath.slice(csvPath.lastIndexOf('/') + 1);
  const folder = csvPath.slice(0, csvPath.length - name.length);
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  return `${folder}${stem}.agent-job-${jobId.slice(0, 8)}.csv`;
}

/** Where the output of a job is kept in the store, for a caller that wants it at a path. */
export function outputKey(path: string): string {
  return path.toLowerCase().endsWith('.jsonl') ? 'output.jsonl' : 'output.csv';
}
