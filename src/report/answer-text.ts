import { describeErrors } from '../report-message.js';
import type { RunAnswer } from './run-reports.js';

/** What a model is told that has reported: what is wrong, so that it can mend it. */
export function answerText(answer: RunAnswer): string {
  if (answer.accepted) return 'accepted';
  const next = answer.because === 'invalid' ? 'Mend the report and call again.' : '';
  return `not accepted: ${describeErrors(answer.errors).replace(/\.$/, '')}. ${next}`.trim();
}
