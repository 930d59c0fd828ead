/** Takes the job and its rows out of the page's data blocks, and gives their memory back. */
function takeBlock<T>(block: Element): T {
  const value = JSON.parse(block.textContent) as T;
  block.remove();
  return value;
}

function takeReport(): { job: ReportJob; rows: ReportRow[]; end: ReportEnd } {
  const job = takeBlock<ReportJob>(byId('job-data'));
  const rows: ReportRow[] = [];
  for (const block of document.querySelectorAll('script.rows')) {
    for (const row of takeBlock<ReportRow[]>(block)) rows.push(row);
  }
  return { job, rows, end: takeBlock<ReportEnd>(byId('end-data')) };
}

const STATUSES: RowStatus[] = ['completed', 'failed', 'cancelled', 'running', 'pending'];

/** How long a row took, or has taken until now; undefined where its start is not known. */
function rowMs(row: ReportRow, now: number): number | undefined {
  if (row.start === undefined) return undefined;
  const end = row.status === 'running' ? now : row.end;
  return end === undefined ? undefined : Math.max(0, end - row.start);
}
