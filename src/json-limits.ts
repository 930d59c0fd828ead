/** What JSON values are taken: results of agents, and rows of JSON Lines. */
import { undecodableReason } from './undecodable.js';

/** What reads, writes and checks JSON may recurse, and some thousand levels are the end of its stack. */
const MAX_DEPTH = 200;

export const TOO_DEEP = `is nested deeper than ${MAX_DEPTH} levels`;

/** @returns why a value would not arrive as it was sent, as `is nested …`; undefined where it would. */
export function jsonProblem(value: unknown): string | undefined {
  const todo: [value: unknown, depth: number][] = [[value, 1]];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [each, depth] = next;
    if (typeof each === 'number' && !Number.isFinite(each)) {
      return 'holds a number beyond the range of JSON in most languages (1.8e308)';
    }
    if (typeof each !== 'object' || each === null) continue;
    if (depth > MAX_DEPTH) return TOO_DEEP;
    const unreadable = undecodableReason(each);
    if (unreadable !== undefined) return `could not be decoded: ${unreadable}`;
    if (ArrayBuffer.isView(each)) return 'is binary data, not JSON';
    for (const inner of Object.values(each)) todo.push([inner, depth + 1]);
  }
  return undefined;
}
