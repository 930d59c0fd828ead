/**
 * The race of a report with the end of its agent: whichever comes first, and however close, a correct
 * agent is never marked failed. AGENT_JOBS_LONG=1 runs 1,000 rows each instead of a few.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { lightSpec, rowsOf } from './support/light-agent.js';
import { load } from './support/load.js';
import { oldLoop } from './support/old-loop.js';
import { Site, readOutput } from './support/site.js';

const LONG = process.env['AGENT_JOBS_LONG'] === '1';
/** In flight at once, and rows of the short form. */
const FORMS = [
  [1, 10],
  [4, 20],
  [64, 70],
] as const;

/** What an agent does that reports `result` so many seconds before its end, or after it. */
const WAYS = {
  'before, answer awaited': (result, seconds) => `report ${result}; sleep ${seconds}`,
  'before, answer not awaited': (result, seconds) => `send ${result}; sleep ${seconds}`,
  'and ends at once': (result) => `send ${result}`,
  'after, from its group': (result, seconds) => `later ${seconds} ${result}`,
  'after, from another session': (result, seconds) => `daemon ${seconds} ${result}`,
} satisfies Record<string, (result: number, seconds: string) => string>;
const ways = Object.keys(WAYS) as (keyof typeof WAYS)[];

/** 0 to 500 ms, spread in the same way in each run. */
const secondsOf = (n: number) => (((n * 197) % 501) / 1000).toFixed(3);
const wayOf = (n: number) => ways[n % ways.length]!;
const shellOf = (n: number) => WAYS[wayOf(n)](n, secondsOf(n));

let site: Site;
before(async () => (site = await Site.open()));
after(() => site.close());

async function race(t: TestContext, inFlight: number, count: number): Promise<void> {
  const worker = await site.worker({ concurrency: inFlight });
  const begun = Date.now();
  // The default of the grace, too.
  const spec = await lightSpec(site, rowsOf(count, shellOf), { max_concurrency: inFlight });
  const summary = await (await site.jobs.start(spec)).result();
  const seconds = (Date.now() - begun) / 1000;
  worker.shutdown();
  await worker.done;

  const rows = await readOutput(summary.output_csv_path);
  const wrong = rows.filter(
    ({ status, result_json, attempt_count }, n) =>
      status !== 'completed' || result_json !== String(n) || attempt_count !== '1',
  );
  for (const [n, way] of ways.entries()) {
    const of = (list: typeof rows) => list.filter(({ row_index }) => Number(row_index) % 5 === n);
    t.diagnostic(`${way}: ${of(rows).length} rows, ${of(wrong).length} misclassified`);
  }
  t.diagnostic(`${count} rows, ${wrong.length} misclassified, ${seconds.toFixed(1)} s`);
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    rows.map(({ row_index }) => Number(row_index)),
    Array.from({ length: count }, (_, n) => n),
  );
  const { verdict, completed, total } = summary;
  assert.deepEqual(
    { verdict, completed, total },
    { verdict: 'succeeded', completed: count, total: count },
  );
}

for (const machine of ['idle', 'under load']) {
  describe(`a report 0 to 500 ms before or after the agent's end, the machine ${machine}`, () => {
    let endLoad: (() => void) | undefined;
    before(() => {
      if (machine === 'under load') endLoad = load();
    });
    after(() => endLoad?.());

    for (const [inFlight, short] of FORMS) {
      it(`is never missed with ${inFlight} in flight`, (t) =>
        race(t, inFlight, LONG ? 1000 : short));
    }
  });
}

describe('the loop that this replaces', { concurrency: true }, () => {
  // At 64 in flight it sleeps so long for others that it loses few: too few for a short form.
  for (const inFlight of LONG ? [1, 4, 64] : [1, 4]) {
    it(`fails correct agents with ${inFlight} in flight`, async (t) => {
      const count = LONG ? 1000 : 12;
      // Agents that work for a while: one ends every 350 ms or so, and the loop sleeps for 250.
      const work = (n: number) => 0.35 * inFlight * (0.5 + ((n * 89) % 100) / 100);
      const late = (n: number) =>
        `sleep ${work(n).toFixed(3)}; ${WAYS['after, from its group'](n, secondsOf(n))}`;
      const failed = await oldLoop(rowsOf(count, late), inFlight);
      t.diagnostic(`${count} rows, ${failed.length} misclassified`);
      assert.ok(failed.length > 0);
    });
  }
});
