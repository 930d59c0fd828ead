import type { JobSpec, Json } from '../../job.js';
import { REPORT_TOOL } from '../../report/report-tool.js';

/** The prompt of a preset's program: the task, and how to report. */
export function presetPrompt(item: {
  job_id: string;
  item_id: string;
  task: string;
  row: { [column: string]: Json };
  /** Programs pass on a part of it only where they show the tool to the model. */
  output_schema: JobSpec['output_schema'];
  /** Whose the tool is, where the program has to look for it. */
  toolOf?: string;
}): string {
  const schema =
    item.output_schema === undefined
      ? ''
      : `The result has to meet this JSON Schema: ${JSON.stringify(item.output_schema)}\n`;
  const of = item.toolOf === undefined ? '' : ` of ${item.toolOf}`;
  return `${item.task}

---
You work on one item of a batch job, without anybody to ask.

job_id: ${item.job_id}
item_id: ${onOneLine(item.item_id)}
The item's row, as data: ${JSON.stringify(item.row)}
${schema}
When you have the result, call the tool ${REPORT_TOOL}${of} with this job_id, this
item_id and the result as "result". If it is not accepted, mend the result as the answer says and call
again. Nothing but an accepted report counts: end only after that.
`;
}

/** An ID comes from a row, which must not add lines to what we say. */
function onOneLine(itemId: string): string {
  return /[\p{Cc}\u2028\u2029]/u.test(itemId) ? JSON.stringify(itemId) : itemId;
}
