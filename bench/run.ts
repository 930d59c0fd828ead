/**
 * `npm run bench`: measures against the bare minimum on the same server, and writes `RESULTS.md`.
 * `npm run bench -- --short` does each figure once with few rows, for the shape of what comes out.
 */
import { cpus, totalmem } from 'node:os';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parentHistory } from './history.js';
import { bareLatencies, ourLatencies, waiting } from './latency.js';
import { peakMegabytes } from './processes.js';
import { BenchSite, itemId } from './site.js';
import { slotUse } from './slots.js';
import { median, percentile } from './statistics.js';
import { type Pass, barePass, ourPass } from './throughput.js';

const short = process.argv.includes('--short');
const REPEATS = short ? 1 : 3;
const ROWS = short ? 40 : Number(process.env['BENCH_ROWS'] ?? 1000);
const MANY_ROWS = short ? 80 : Number(process.env['BENCH_MANY_ROWS'] ?? 10_000);

interface Figure {
  what: string;
  target: string;
  measured: string;
}

const figures: Figure[] = [];
function tell(what: string, target: string, measured: string): void {
  figures.push({ what, target, measured });
  console.log(`${what}: ${measured} (target: ${target})`);
}

const ratio = (value: number) => value.toFixed(2);

const site = await BenchSite.open();
try {
  // What is done first of all is not what is measured.
  await barePass(site, 64, 64);
  await ourPass(site, 64, 64);
  await throughput();
  await latency();
  await growth();
  await slots();
  await atOnce();
} finally {
  await site.close();
}
if (!short) await writeFile(fileURLToPath(new URL('RESULTS.md', import.meta.url)), report());

async function throughput(): Promise<void> {
  const pairs: { ours: Pass; bare: Pass }[] = [];
  for (let n = 0; n < REPEATS; n += 1) {
    const bare = await barePass(site, ROWS, 64);
    pairs.push({ bare, ours: await ourPass(site, ROWS, 64) });
  }
  const ratios = (part: keyof Pass) =>
    ratio(median(pairs.map(({ ours, bare }) => ours[part] / bare[part])));
  const middle = median(pairs.map(({ ours }) => ours.rowsPerSecond)).toFixed(1);
  const rows = `${ROWS} rows, 64 in flight`;
  const per = 'of the bare minimum';
  tell(`rows per second, ${rows}, ${per}`, '≥ 0.9', `${ratios('rowsPerSecond')} (${middle}/s)`);
  tell(`worker CPU per row, ${rows}, ${per}`, '≤ 1.2', ratios('workerCpu'));
  tell(`server CPU per row, ${rows}, ${per}`, '≤ 1.2', ratios('serverCpu'));
}

async function latency(): Promise<void> {
  const bare: number[] = [];
  const ours: number[] = [];
  for (let n = 0; n < REPEATS; n += 1) {
    bare.push(...(await bareLatencies(site, ROWS / 4, 8)));
    ours.push(...(await ourLatencies(site, ROWS / 4, 8)));
  }
  for (const share of [0.5, 0.99]) {
    const [a, b] = [percentile(ours, share), percentile(bare, share)];
    const what = `report to final, p${100 * share}, 8 in flight, of the bare minimum`;
    tell(what, '≤ 1.2', `${ratio(a / b)} (${a.toFixed(0)} ms)`);
  }
}

async function growth(): Promise<void> {
  const few = await ourPass(site, ROWS, 64);
  const memoryBefore = peakMegabytes(site.worker.pid);
  const begun = performance.now();
  const jobId = await site.job({ rows: MANY_ROWS, inFlight: 64, seconds: () => 0 });
  const many = (1000 * MANY_ROWS) / (performance.now() - begun);
  const memory = peakMegabytes(site.worker.pid) / memoryBefore;
  const compared = `${MANY_ROWS} rows over ${ROWS}`;
  tell(`rows per second, ${compared}`, '≥ 0.9', ratio(many / few.rowsPerSecond));
  tell(`worker memory, ${compared}`, '≤ 1.25', ratio(memory));
  const history = await parentHistory(site, jobId, MANY_ROWS);
  tell('history events of the job per row, 64 in flight', '≤ 4', ratio(history.eventsPerRow));
  tell(
    'longest history of a run',
    '< 10,000 events',
    `${history.longestEvents} (${history.runs} runs)`,
  );
  tell('the same in MB', '< 10', ratio(history.longestMegabytes));
  tell('input at continue-as-new in KB', '< 100', history.inputKilobytes.toFixed(1));
}

async function slots(): Promise<void> {
  const staggered = await slotUse(site, {
    rows: short ? 40 : 2000,
    inFlight: short ? 16 : 256,
    seconds: (row) => 1 + (row % 21) / 10,
  });
  const { refillP50, refillP99 } = staggered;
  const times = `${ratio(refillP99 / refillP50)} (p50 ${refillP50} ms, p99 ${refillP99} ms)`;
  tell('refill of a slot, p99 over p50, 256 in flight, agents of 1–3 s', '≤ 4', times);
  tell('mean in flight of the cap, the same', '≥ 0.95', ratio(staggered.meanInFlight));
  for (const [inFlight, seconds] of short
    ? [[8, 1]]
    : [
        [64, 2],
        [256, 10],
      ]) {
    const rows = 10 * inFlight!;
    const { ofIdeal } = await slotUse(site, { rows, inFlight: inFlight!, seconds: () => seconds! });
    tell(
      `slots kept full, ${inFlight} agents of ${seconds} s, of the ideal`,
      '≥ 0.95',
      ratio(ofIdeal),
    );
  }
}

async function atOnce(): Promise<void> {
  const rows = short ? 20 : 1000;
  const job = await site.start({ rows, inFlight: rows });
  const items = Array.from({ length: rows }, (_, row) =>
    site.client.workflow.getHandle(`${job.jobId}/${itemId(row)}`),
  );
  // All of them, before the first is reported.
  for (const item of items) await waiting(item);
  for (const item of items) await item.signal('report_agent_job_result', { result: 1 });
  const { completed } = await job.result();
  tell('external items at once in one job', '1000 held, all completed', `${completed} of ${rows}`);
}

function report(): string {
  const { model } = cpus()[0]!;
  const machine = `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GB`;
  const lines = figures.map(
    ({ what, target, measured }) => `| ${what} | ${target} | ${measured} |`,
  );
  return `# Figures

${new Date().toISOString().slice(0, 10)}; ${machine}; Node ${process.versions.node}; the dev server of \`temporal-dev.sh\`.
Ratios are medians of ${REPEATS} pairs, measured one after the other in one run.

| what | target | measured |
| --- | --- | --- |
${lines.join('\n')}
`;
}
