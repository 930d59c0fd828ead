/** The figures: which measurements they are made of, and what they are to reach. */
import { heldAtOnce } from './at-once.js';
import type { Curve } from './chart.js';
import { CodexBench, type FanOut } from './codex.js';
import { type GrowthPoint, largeJob } from './growth.js';
import { HistoryWalk } from './history.js';
import { bareLatencies, ourLatencies } from './latency.js';
import { peakMegabytes } from './processes.js';
import type { Figure, Section } from './results.js';
import type { BenchSite } from './site.js';
import { type SlotJob, type SlotUse, bareSlots, ourSlots } from './slots.js';
import { median, percentile } from './statistics.js';
import { type Pass, barePass, ourPass } from './throughput.js';

/** How much is measured. */
export interface Size {
  repeats: number;
  /** Of rows per second, whose ratio differs by up to a quarter from one pair to the next. */
  throughputRepeats: number;
  rows: number;
  manyRows: number;
  atOnce: number;
  codexRows: number;
  /** Jobs for the refill of slots, of agents of 1–3 s. */
  refill: { rows: number; inFlight: number; note: string }[];
  /** Jobs for slots kept full. */
  full: { rows: number; inFlight: number; seconds: number }[];
  /** Jobs for the slots of the agents' worker kept full, by rows that wait for one. */
  agentSlots: { rows: number; slots: number; inFlight: number; seconds: number }[];
}

export const FULL: Size = {
  repeats: 3,
  throughputRepeats: 7,
  rows: Number(process.env['BENCH_ROWS'] ?? 1000),
  manyRows: Number(process.env['BENCH_MANY_ROWS'] ?? 100_000),
  atOnce: 1000,
  codexRows: 100,
  refill: [
    { rows: 2000, inFlight: 256, note: '' },
    {
      rows: 600,
      inFlight: 32,
      note: ', in addition, for it asks for rows that two cores can serve',
    },
  ],
  full: [
    { rows: 640, inFlight: 64, seconds: 2 },
    { rows: 2560, inFlight: 256, seconds: 10 },
  ],
  agentSlots: [
    { rows: 640, slots: 32, inFlight: 48, seconds: 2 },
    { rows: 640, slots: 64, inFlight: 96, seconds: 2 },
    { rows: 2560, slots: 256, inFlight: 320, seconds: 10 },
  ],
};

/** All kinds of figures, which mean nothing: for the shape of what comes out. */
export const SHORT: Size = {
  repeats: 1,
  throughputRepeats: 1,
  rows: 40,
  manyRows: 80,
  atOnce: 20,
  codexRows: 8,
  refill: [
    { rows: 40, inFlight: 16, note: '' },
    { rows: 24, inFlight: 8, note: ', in addition' },
  ],
  full: [
    { rows: 16, inFlight: 8, seconds: 1 },
    { rows: 24, inFlight: 12, seconds: 2 },
  ],
  agentSlots: [
    { rows: 8, slots: 4, inFlight: 6, seconds: 1 },
    { rows: 16, slots: 8, inFlight: 12, seconds: 1 },
    { rows: 24, slots: 12, inFlight: 16, seconds: 2 },
  ],
};

export interface Bench {
  site: BenchSite;
  size: Size;
  /** Tells a figure. */
  tell: (figure: Figure) => void;
  /** Keeps what has been told so far, with a curve. */
  keep: (curve: Curve) => Promise<void>;
}

const IN_FLIGHT = 64;
const FEW_IN_FLIGHT = 8;
const count = new Intl.NumberFormat('en-US');

async function repeated<T>(
  { size }: Bench,
  measure: () => Promise<T>,
  times = size.repeats,
): Promise<T[]> {
  const all: T[] = [];
  for (let n = 0; n < times; n += 1) all.push(await measure());
  return all;
}

async function throughput(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const pair = async () => {
    const bare = await barePass(site, size.rows, IN_FLIGHT);
    return { bare, ours: await ourPass(site, size.rows, IN_FLIGHT) };
  };
  const pairs = await repeated(bench, pair, size.throughputRepeats);
  const compared = (part: keyof Pass, what: string, target: string, unit: string) => {
    const [ours, bare] = [
      median(pairs.map((p) => p.ours[part])),
      median(pairs.map((p) => p.bare[part])),
    ];
    tell({
      what: `${what}, ${count.format(size.rows)} rows, ${IN_FLIGHT} in flight, of the bare minimum`,
      target,
      value: median(pairs.map((p) => p.ours[part] / p.bare[part])),
      detail: `${ours.toFixed(1)} ${unit} against ${bare.toFixed(1)}; ${pairs.length} pairs`,
    });
  };
  compared('rowsPerSecond', 'rows per second', '≥ 0.9', 'rows/s');
  compared('workerCpu', 'worker CPU per row', '≤ 1.2', 'ms');
  compared('serverCpu', 'server CPU per row', '≤ 1.2', 'ms');
}

async function latency(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const pairs = await repeated(bench, async () => {
    const bare = await bareLatencies(site, size.rows, FEW_IN_FLIGHT);
    return { bare, ours: await ourLatencies(site, size.rows, FEW_IN_FLIGHT) };
  });
  for (const share of [0.5, 0.99]) {
    const [ours, bare] = (['ours', 'bare'] as const).map((who) =>
      pairs.map((pair) => percentile(pair[who], share)),
    ) as [number[], number[]];
    tell({
      what: `report to final, p${100 * share}, ${FEW_IN_FLIGHT} in flight, of the bare minimum`,
      target: '≤ 1.2',
      value: median(ours.map((value, n) => value / bare[n]!)),
      detail: `${median(ours).toFixed(0)} ms against ${median(bare).toFixed(0)}`,
    });
  }
}

async function history(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const { rows } = size;
  const eventsPerRow = async (jobId: string) =>
    (await new HistoryWalk(site.client, jobId).now()).events / rows;
  for (const inFlight of [IN_FLIGHT, FEW_IN_FLIGHT]) {
    const pairs = await repeated(bench, async () => {
      const { jobId, ended } = await site.bareJob({ rows, inFlight, seconds: [0] });
      await ended();
      const ours = await site.job({ rows, inFlight, seconds: () => 0 });
      return { bare: await eventsPerRow(jobId), ours: await eventsPerRow(ours) };
    });
    tell({
      what: `history events of the job per row, ${count.format(rows)} rows, ${inFlight} in flight`,
      target: inFlight === IN_FLIGHT ? '≤ 4' : 'none',
      value: median(pairs.map(({ ours }) => ours)),
      detail: ofBare(median(pairs.map(({ bare }) => bare))),
    });
  }
}

async function atOnce(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const each = await repeated(bench, () => heldAtOnce(site, size.atOnce));
  tell({
    what: 'external items at once in one job',
    target: `${count.format(size.atOnce)} held, all completed`,
    value: Math.min(...each.map(({ held }) => held)),
    detail: `${Math.min(...each.map(({ completed }) => completed))} of ${size.atOnce} completed`,
  });
}

/** Staggered, so that they do not end together. */
const FROM_1_TO_3_SECONDS = Array.from({ length: 21 }, (_, n) => 1 + n / 10);

async function slots(bench: Bench): Promise<void> {
  const { size, tell } = bench;
  for (const { note, ...job } of size.refill) {
    const [ours, bare] = await slotsOfBoth(bench, { ...job, seconds: FROM_1_TO_3_SECONDS });
    const speed = (of: typeof ours) => `${of((use) => use.rowsPerSecond).toFixed(1)} rows/s`;
    const times = (of: typeof ours) =>
      `p50 ${of((use) => use.refillP50)} ms, p99 ${of((use) => use.refillP99)} ms`;
    tell({
      what: `refill of a slot, p99 over p50, ${job.inFlight} in flight, agents of 1–3 s${note}`,
      target: '≤ 4',
      value: ours(({ refillP50, refillP99 }) => refillP99 / refillP50),
      detail: `${times(ours)}; the bare minimum ${times(bare)}`,
    });
    tell({
      what: `mean in flight, of ${job.inFlight}, the same${note}`,
      target: '≥ 0.95',
      value: ours((use) => use.meanInFlight),
      detail: `at ${speed(ours)}; ${ofBare(bare((use) => use.meanInFlight))} at ${speed(bare)}`,
    });
  }
  for (const { seconds, ...job } of size.full) {
    const [ours, bare] = await slotsOfBoth(bench, { ...job, seconds: [seconds] });
    tell({
      what: `slots kept full, ${job.inFlight} agents of ${seconds} s, of the ideal`,
      target: '≥ 0.95',
      value: ours((use) => use.ofIdeal),
      detail: ofBare(bare((use) => use.ofIdeal)),
    });
  }
}

async function agentSlots(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  for (const { seconds, ...job } of size.agentSlots) {
    await site.renewAgents(job.slots);
    const [ours, bare] = await slotsOfBoth(bench, { ...job, seconds: [seconds] });
    tell({
      what: `slots of a host kept full, ${job.slots} agents of ${seconds} s with ${job.inFlight} rows in flight, of the ideal`,
      target: '≥ 0.95',
      value: ours((use) => use.ofIdeal),
      detail: ofBare(bare((use) => use.ofIdeal)),
    });
  }
  await site.renewAgents();
}

/** Medians of ours and of the bare minimum, which tells what the machine can do at all. */
async function slotsOfBoth(bench: Bench, job: SlotJob) {
  const pairs = await repeated(bench, async () => {
    const bare = await bareSlots(bench.site, job);
    return { bare, ours: await ourSlots(bench.site, job) };
  });
  const medianOf = (who: 'ours' | 'bare') => (part: (use: SlotUse) => number) =>
    median(pairs.map((pair) => part(pair[who])));
  return [medianOf('ours'), medianOf('bare')] as const;
}

function ofBare(value: number): string {
  return `the bare minimum ${value.toFixed(2)}`;
}

async function codex(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const programs = await CodexBench.open(site, IN_FLIGHT);
  const all: { ours: FanOut; theirs: FanOut }[] = [];
  try {
    for (const snapshot of [true, false]) {
      const pairs = await repeated(bench, async () => {
        const theirs = await programs.builtIn(size.codexRows, IN_FLIGHT, snapshot);
        return { theirs, ours: await programs.hosted(size.codexRows, IN_FLIGHT, snapshot) };
      });
      all.push(...pairs);
      const speed = (who: 'ours' | 'theirs') =>
        median(pairs.map((pair) => pair[who].rowsPerSecond)).toFixed(1);
      tell({
        what:
          `rows per second of --agent codex, of Codex’s last own fan-out, ${size.codexRows} rows, ${IN_FLIGHT} asked for, ` +
          (snapshot ? 'defaults of both' : '--disable shell_snapshot on both'),
        target: snapshot ? '≥ 4' : '≥ 1.3',
        value: median(pairs.map(({ ours, theirs }) => ours.rowsPerSecond / theirs.rowsPerSecond)),
        detail: `${speed('ours')} rows/s against ${speed('theirs')}`,
      });
    }
  } finally {
    await programs.close();
  }
  const hung = (who: 'ours' | 'theirs') => all.filter((pair) => pair[who].hung).length;
  tell({
    what: 'runs of --agent codex that hung after the last row',
    target: '0',
    value: hung('ours'),
    detail: `of ${all.length}; of the fan-out’s, ${hung('theirs')} of ${all.length}`,
  });
}

async function growth(bench: Bench): Promise<void> {
  const { site, size, tell } = bench;
  const { rows, manyRows } = size;
  // Its memory is to tell of these jobs alone.
  await site.renewWorker();
  const passes = await repeated(bench, () => ourPass(site, rows, IN_FLIGHT));
  const few = { rows, rowsPerSecond: median(passes.map(({ rowsPerSecond }) => rowsPerSecond)) };
  const before = peakMegabytes(site.worker.pid);
  const points: GrowthPoint[] = [];
  const begun = new Date().toISOString().slice(11, 16);
  const large = await largeJob(site, manyRows, IN_FLIGHT, async (point) => {
    points.push(point);
    await bench.keep({ rows: manyRows, points, few });
    console.error(
      `growth, since ${begun} UTC: ${count.format(point.rows)} rows, ${point.rowsPerSecond.toFixed(1)} rows/s`,
    );
  });
  const after = peakMegabytes(site.worker.pid);
  const compared = `one job of ${count.format(manyRows)} rows over ${size.repeats} of ${count.format(rows)}`;
  tell({
    what: `rows per second, ${compared}`,
    target: '≥ 0.9',
    value: large.rowsPerSecond / few.rowsPerSecond,
    detail: `${large.rowsPerSecond.toFixed(1)} rows/s over ${few.rowsPerSecond.toFixed(1)}`,
  });
  tell({
    what: `most memory of the worker, ${compared}`,
    target: '≤ 1.25',
    value: after / before,
    detail: `${after.toFixed(0)} MB over ${before.toFixed(0)}`,
  });
  tell({
    what: `rows of the output that differ from the input, by another program, ${count.format(manyRows)} rows`,
    target: '0',
    // It ends with an error where there is one.
    value: 0,
    detail: large.output,
  });
  const { events, runs, longestEvents, longestMegabytes, inputKilobytes } = large.history;
  const of = `${count.format(manyRows)} rows, ${IN_FLIGHT} in flight`;
  tell({
    what: `history events of the job per row, ${of}`,
    target: '≤ 4',
    value: events / manyRows,
  });
  tell({
    what: `longest history of a run, in events, ${of}`,
    target: '< 10,000',
    value: longestEvents,
    detail: `of ${runs} runs`,
  });
  tell({ what: `the same in MB`, target: '< 10', value: longestMegabytes });
  tell({
    what: `arguments at continue-as-new in KB, ${of}`,
    target: '< 100',
    value: inputKilobytes,
  });
}

export const MEASURES: Record<Section, (bench: Bench) => Promise<void>> = {
  throughput,
  latency,
  history,
  'at-once': atOnce,
  slots,
  'agent-slots': agentSlots,
  codex,
  growth,
};
