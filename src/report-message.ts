/** Reads the `report_agent_job_result` message, for the report endpoint and the item's workflow. */
import { z } from 'zod';
import type { Json, Report, ReportError } from './job.js';
import type { ResultCheck } from './schema.js';
import { undecodableReason } from './undecodable.js';

const message = z.strictObject({
  result: z.unknown(),
  stop: z.boolean().optional(),
  job_id: z.string().optional(),
  item_id: z.string().optional(),
  run: z.int().optional(),
});

export type Checked = { report: Report } | { errors: ReportError[] };

/** What a result has to meet. */
export interface ResultRules {
  check: ResultCheck;
  max_result_bytes: number;
}

/** Reads a message from anything that may have arrived; never throws. */
export function checkReport(input: unknown, rules: ResultRules): Checked {
  const reason = undecodableReason(input);
  if (reason !== undefined) return refusal(`the report could not be decoded: ${reason}`);
  const parsed = message.safeParse(input);
  if (!parsed.success) {
    return {
      errors: parsed.error.issues.map(({ path, message }) => ({
        path: '',
        message: `the report${path.map((key) => `.${String(key)}`).join('')}: ${message}`,
      })),
    };
  }
  if (parsed.data.result === undefined) return refusal('the report: "result" is missing');
  const report = { ...parsed.data, result: parsed.data.result as Json };
  const errors = checkResult(report.result, rules);
  return errors.length > 0 ? { errors } : { report };
}

function checkResult(result: Json, { check, max_result_bytes }: ResultRules): ReportError[] {
  try {
    const bytes = resultBytes(result);
    if (bytes > max_result_bytes) {
      const message = `the result is ${bytes} bytes, at most ${max_result_bytes} are taken`;
      return [{ path: '', message }];
    }
    return check(result);
  } catch (error) {
    // Only nesting deeper than the stack gets here; a handler that throws would wedge the item.
    return [{ path: '', message: `the result could not be checked: ${String(error)}` }];
  }
}

/** Size of a result as the UTF-8 bytes of its JSON text. */
export function resultBytes(result: Json): number {
  return new TextEncoder().encode(JSON.stringify(result)).length;
}

export function refusal(message: string): { errors: ReportError[] } {
  return { errors: [{ path: '', message }] };
}

/** One line for people: `/label: Instance does not match …; /n: …`. */
export function describeErrors(errors: ReportError[]): string {
  return errors.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
}
