/** A generated job for the page of `report-html`: as many rows as wanted, in as many lanes. */
import type { ReportJob, ReportRow } from '../../src/report-page/shape.js';

const TEXTS = [
  'I was charged twice for the order of last week',
  'The parcel has not arrived, and the tracking page is empty',
  'How do I change the e-mail address of my account?',
  'The app closes when I open the camera',
  'Please send me the invoice as a PDF',
];
const TEAMS = ['billing', 'shipping', 'account', 'technical', 'billing'];
const FAILURES = [
  {
    reason: 'no_report',
    error: 'the agent ended without a report (exit code 0)',
    class: 'rate_limited',
  },
  {
    reason: 'timed_out',
    error: 'the agent was still running after 120 s; its last line: thinking',
  },
  { reason: 'agent_error', error: 'the agent exited with code 1: cannot read the attachment' },
  { reason: 'invalid_report', error: 'result/team: must be one of billing, shipping, account' },
];
const BEGIN = Date.UTC(2026, 10, 24, 9, 0, 0);

/** Rows that end one after the other in each lane; about one in forty fails. The same for the same numbers. */
export function generatedJob(total: number, lanes: number): { job: ReportJob; rows: ReportRow[] } {
  let seed = 42;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const free = Array.from({ length: lanes }, (_, lane) => BEGIN + lane * 40);
  const rows: ReportRow[] = [];
  let cost = 0;
  for (let n = 0; n < total; n += 1) {
    const lane = free.indexOf(Math.min(...free));
    const start = free[lane]! + Math.round(20 + 80 * random());
    const text = TEXTS[n % TEXTS.length]!;
    const failure = random() < 0.025 ? FAILURES[Math.floor(random() ** 2 * 4)]! : undefined;
    const slow = random() < 0.03 ? 4 : 1;
    const ms =
      failure?.reason === 'timed_out'
        ? 120_000
        : (6000 + 14_000 * random() ** 2 + 9000 * random()) * slow;
    const end = Math.round(start + ms);
    free[lane] = end;
    const price = Math.round(1e4 * (0.002 + 0.006 * random())) / 1e4;
    cost += price;
    rows.push({
      n,
      id: `T-${10_001 + n}`,
      status: failure === undefined ? 'completed' : 'failed',
      attempts: failure === undefined && random() < 0.97 ? 1 : 2,
      start,
      end,
      ...(failure ?? {
        result: JSON.stringify({
          team: TEAMS[n % 5],
          urgent: random() < 0.1,
          note: text.slice(0, 34),
        }),
      }),
      input: JSON.stringify({ id: `T-${10_001 + n}`, text }),
      log: `read row ${n + 1}\n> ${text}\n${failure === undefined ? `accepted: ${TEAMS[n % 5]}` : failure.error}`,
      runs: 1,
      tokens: Math.round(900 + 2000 * random()),
      cost: price,
    });
  }
  const failed = rows.filter(({ status }) => status === 'failed').length;
  const ended = rows.reduce((last, { end }) => Math.max(last, end!), BEGIN);
  const job: ReportJob = {
    job_id: 'tickets-november',
    word: failed === 0 ? 'succeeded' : 'partial',
    total,
    completed: total - failed,
    failed,
    cancelled: 0,
    running: 0,
    pending: 0,
    reason: null,
    usage: {
      input_tokens: total * 1700,
      cached_input_tokens: total * 800,
      output_tokens: total * 210,
      cost_usd: cost,
    },
    instruction: 'Which team should answer this ticket?\n\n{text}',
    agent: 'codex',
    input: 'tickets.csv',
    output: 'tickets.agent-job-tickets-.csv',
    max_concurrency: lanes,
    started: BEGIN - 300,
    ended: ended + 400,
    written: ended + 60_000,
  };
  return { job, rows };
}
