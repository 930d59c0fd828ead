import type { FailureClass } from '../../job.js';

/** What services and programs write, the more particular first. */
const SIGNS: [FailureClass, RegExp][] = [
  [
    'quota',
    /insufficient_quota|exceeded your current quota|credit balance|usage limit|out of credits|billing/i,
  ],
  ['rate_limited', /rate.?limit|too many requests|\b429\b/i],
  [
    'login',
    /\b401\b|unauthorized|not logged in|please run \/login|invalid.{0,20}api.?key|authentication|missing environment variable|\/login/i,
  ],
  [
    'model_unreachable',
    /error sending request|stream disconnected|connection (refused|error|reset)|econn|enotfound|unable to connect|network|timed? ?out|overloaded|\b5\d\d\b/i,
  ],
];

/** @returns the class that a message of a program's own speaks of, if any. */
export function classOf(message: string): FailureClass | undefined {
  return SIGNS.find(([, sign]) => sign.test(message))?.[0];
}
