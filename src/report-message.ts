/** Reads the `report_agent_job_result` message, for the report endpoint and the item's workflow. */
import { z } from 'zod';
import type { Json, Report, ReportError } from './job.js';
import { clip } from './job.js';
import { TOO_DEEP, jsonProblem } from './json-limits.js';
import type { ResultCheck } from './schema.js';
import { undecodableReason } from './undecodable.js';

const message = z.strictObject({
  result: z.unknown().optional(),
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

/** A refusal quotes what it refuses, and must itself fit everywhere. */
const MAX_QUOTED_CHARS = 300;

/** Reads a message from anything that may have arrived; never throws. */
export function checkReport(input: unknown, rules: ResultRules): Checked {
  const reason = undecodableReason(input);
  if (reason !== undefined) return refusal(`the report could not be decoded: ${reason}`);
  if (ArrayBuffer.isView(input)) return refusal('the report is binary data, not JSON');
  const parsed = message.safeParse(input);
  if (!parsed.success) {
    return {
      errors: parsed.error.issues.map(({ path, message }) => ({
        path: '',
        message: quote(`the report${path.map((key) => `.${String(key)}`).join('')}: ${message}`),
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
    const problem = sizeProblem(result, max_result_bytes) ?? jsonProblem(result);
    if (problem !== undefined) return refusal(`the result ${problem}`).errors;
    return check(result).map(({ path, message }) => ({
      path: quote(path),
      message: quote(message),
    }));
  } catch (error) {
    // A handler that throws would wedge the item.
    return refusal(quote(`the result could not be checked: ${String(error)}`)).errors;
  }
}

function sizeProblem(result: Json, maxBytes: number): string | undefined {
  let bytes: number;
  try {
    bytes = resultBytes(result);
  } catch {
    return TOO_DEEP;
  }
  return bytes > maxBytes ? `is ${bytes} bytes, at most ${maxBytes} are taken` : undefined;
}

/** Size of a result as the UTF-8 bytes of its JSON text. */
export function resultBytes(result: Json): number {
  return new TextEncoder().encode(JSON.stringify(result)).length;
}

export function refusal(message: string): { errors: ReportError[] } {
  return { errors: [{ path: '', message }] };
}

function quote(text: string): string {
  return clip(text, MAX_QUOTED_CHARS);
}

/** One line for people: `/label: Instance does not match …; /n: …`. */
export function describeErrors(errors: ReportError[]): string {
  return errors.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
}
