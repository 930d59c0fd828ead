import type { FailureClass } from '../../job.js';

/** What services and programs write when a model does not answer, the more particular first. */
const SIGNS: [FailureClass, RegExp][] = [
  [
    'quota',
    /quota|credit balance|usage limit|hit your limit|limit reached\||out of credits|billing/i,
  ],
  ['rate_limited', /\b429\b|rate.?limit|too many requests/i],
  [
    'login',
    /\b40[13]\b|unauthorized|not logged in|log ?in\b|api.?key|authentication|environment variable/i,
  ],
  [
    'model_unreachable',
    /connect|error sending request|stream disconnected|network|timed? ?out|overloaded|capacity|\b5\d\d\b/i,
  ],
];

/** @returns the class that a program's own message speaks of, if any. */
export function classOf(message: string): FailureClass | undefined {
  return SIGNS.find(([, sign]) => sign.test(message))?.[0];
}
