/** A job as one HTML page; `src/report-page` is what runs in it. */
import { open, readFile } from 'node:fs/promises';
import type { ReportEnd, ReportJob, ReportRow } from '../report-page/shape.js';
import { PageBudget } from './page-budget.js';

const TEMPLATE = new URL('../../dist/report-page.html', import.meta.url);
const DATA = '<!--DATA-->';
/** Of the file's beginning: its name is among the first lines. */
const HEAD_BYTES = 4096;
/** Rows in a block, which the page reads at once. */
const BLOCK_ROWS = 500;

/** The text of the page. Rows are written as they come, as many and as much of them as the page may have. */
export async function* htmlPage(
  job: ReportJob,
  rows: AsyncIterable<ReportRow>,
  budget: PageBudget = new PageBudget(job.total),
): AsyncGenerator<string> {
  const template = (await readFile(TEMPLATE, 'utf8')).replace('%JOB%', job.job_id);
  const middle = template.indexOf(DATA);
  yield template.slice(0, middle);
  yield block('id="job-data"', embedded(job));
  const end: ReportEnd = { listed: 0, clipped: 0 };
  for await (const row of rows) {
    const fitted = budget.fit(row);
    if (fitted === undefined) break;
    const text = embedded(fitted);
    budget.spend(text.length);
    const place = end.listed % BLOCK_ROWS;
    if (place === 0) yield `${end.listed === 0 ? '' : BLOCK_END}${blockStart('class="rows"')}[`;
    yield `${place === 0 ? '' : ','}\n${text}`;
    end.listed += 1;
    if (fitted.clipped) end.clipped += 1;
  }
  if (end.listed > 0) yield BLOCK_END;
  yield block('id="end-data"', embedded(end));
  yield template.slice(middle + DATA.length);
}

/** Whether a file is a page of this job. */
export async function isPageOf(path: string, jobId: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const mark = `<meta name="agent-jobs-report" content="${jobId}" />`;
    return buffer.toString('utf8', 0, bytesRead).includes(mark);
  } finally {
    await file.close();
  }
}

const BLOCK_END = '\n]</script>\n';

/** A block of data is no script: its type keeps the browser from running it. */
function blockStart(attribute: string): string {
  return `<script type="application/json" ${attribute}>`;
}

function block(attribute: string, json: string): string {
  return `${blockStart(attribute)}${json}</script>\n`;
}

/** JSON text that neither ends its element nor opens another, whatever is in it; ASCII throughout. */
function embedded(value: ReportJob | ReportRow | ReportEnd): string {
  return JSON.stringify(value).replace(
    /[<>&\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
