/**
 * `npm run bench:scale`: what more rows, and more of them at once, take. A day of arrivals goes through slots,
 * step by step; what a row costs is what `npm run bench` and `npm run bench:production` have measured here.
 */
import { existsSync, readFileSync } from 'node:fs';

/** What neither bench measures. Counted from a row's way through the code, or a limit of others: docs/scale.md. */
const ASSUMED = {
  /** Seconds between heartbeats of an agent. */
  heartbeatSeconds: 5,
  /** Writes of the server for a row but for heartbeats: 10 of its item, 6 of the job: what has been measured, … */
  writesMeasured: 16,
  /** … and 4 where each item is adopted once, as with 1,000 in flight. */
  writesPerRow: 20,
  /** Requests of workers for a row but for heartbeats, polls included. */
  requestsPerRow: 17,
  /** Billed by Temporal Cloud but for heartbeats: the child (2), its activity, its signal, and 2 for the job's. */
  actionsPerRow: 6,
  /** One write in a shard, which does one at a time; and how busy a shard may be. */
  writeSeconds: 0.005,
  shardUse: 0.25,
  /** How busy processors may be. */
  cpuUse: 0.6,
  /** A worker process: its workflows have one thread. */
  workerCores: 1,
  /** Workflows that a worker keeps with a heap of 4 GB, by the SDK's rule. */
  cachedWorkflows: 2283,
  agentsPerHost: 64,
};

interface Scenario {
  name: string;
  rowsPerDay: number;
  agentSeconds: number;
  /** Agents that may run at one time, in all jobs. */
  slots: number;
  /** Rows that arrive at a time of the day, 0–1, over what would come if they came evenly. */
  arrival: (time: number) => number;
}

const evenly = () => 1;
const byDay = (time: number) => 1 - 0.44 * Math.cos(2 * Math.PI * time);
const inOneHour = (time: number) => (time < 1 / 24 ? 24 : 0);
const SCENARIOS: Scenario[] = [
  { name: '100,000, evenly', rowsPerDay: 1e5, agentSeconds: 120, slots: 1000, arrival: evenly },
  { name: '1 M, by day', rowsPerDay: 1e6, agentSeconds: 120, slots: 2000, arrival: byDay },
  { name: '10 M, evenly', rowsPerDay: 1e7, agentSeconds: 120, slots: 20_000, arrival: evenly },
  { name: '10 M, by day', rowsPerDay: 1e7, agentSeconds: 120, slots: 20_000, arrival: byDay },
  {
    name: '10 M in an hour',
    rowsPerDay: 1e7,
    agentSeconds: 120,
    slots: 20_000,
    arrival: inOneHour,
  },
];

type Figures = Record<
  | 'rowsPerSecond'
  | 'workerCpu'
  | 'serverCpu'
  | 'databaseCpu'
  | 'itemBytes'
  | 'jobBytesPerRow'
  | 'databaseBytesPerRow',
  number
>;

const byProduction = read<{ dev: Figures; production: Figures }>('production/results.json');
const measured = byProduction.production;
const dev = existsSync(new URL('results.json', import.meta.url)) ? byBench() : byProduction.dev;

/** Of the dev server, by what the figures of the bench were made of. */
function byBench(): Pick<Figures, 'rowsPerSecond' | 'workerCpu'> {
  type Section = { figures: { what: string; detail?: string }[] };
  const { throughput } = read<{ throughput?: Section }>('results.json');
  const ours = (what: string) => {
    const figure = throughput?.figures.find((each) => each.what.startsWith(what));
    const value = Number.parseFloat(figure?.detail ?? '');
    if (!Number.isNaN(value)) return value;
    throw new Error(`bench/results.json lacks ${what}: npm run bench -- --only throughput`);
  };
  return { rowsPerSecond: ours('rows per second'), workerCpu: ours('worker CPU') };
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T;
}

const STEP_SECONDS = 10;
const DAY = 86_400;

/** The second of two days of arrivals, and as long afterwards as rows are left. */
function day({ rowsPerDay, agentSeconds, slots, arrival }: Scenario) {
  let [running, waiting, time] = [0, 0, 0];
  let [peakStarts, peakRunning, longestWait] = [0, 0, 0];
  // Jobs of 1,000 start rows as fast as one has been measured to.
  const startable = (slots / 1000) * measured.rowsPerSecond * STEP_SECONDS;
  while (time < 2 * DAY || (waiting >= 1 && time < 10 * DAY)) {
    const arrived = time < 2 * DAY ? (rowsPerDay * arrival((time / DAY) % 1)) / DAY : 0;
    running -= Math.min(running, (running * STEP_SECONDS) / agentSeconds);
    waiting += arrived * STEP_SECONDS;
    const started = Math.min(waiting, slots - running, startable);
    [running, waiting, time] = [running + started, waiting - started, time + STEP_SECONDS];
    if (time <= DAY) continue;
    peakRunning = Math.max(peakRunning, running);
    peakStarts = Math.max(peakStarts, started / STEP_SECONDS);
    longestWait = Math.max(longestWait, (waiting * agentSeconds) / slots);
  }
  return { peakStarts, peakRunning, longestWait };
}

const table = (head: string[], rows: (string | number)[][]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const whole = (value: number) => Math.ceil(value).toLocaleString('en-US');
const powerOfTwo = (value: number) => 2 ** Math.ceil(Math.log2(Math.max(1, value)));

function needs(scenario: Scenario) {
  const { rowsPerDay } = scenario;
  const { peakStarts, peakRunning, longestWait } = day(scenario);
  const heartbeats = peakRunning / ASSUMED.heartbeatSeconds;
  const writes = peakStarts * ASSUMED.writesPerRow + heartbeats;
  const cores = (cpu: number) => (writes * cpu) / ASSUMED.writesMeasured / 1000 / ASSUMED.cpuUse;
  const workerCores = (peakStarts * measured.workerCpu) / 1000 / ASSUMED.cpuUse;
  const actionsPerRow = ASSUMED.actionsPerRow + scenario.agentSeconds / ASSUMED.heartbeatSeconds;
  const gigabytes = (bytes: number) => whole((rowsPerDay * bytes) / 1e9);
  return [
    scenario.name,
    peakStarts.toFixed(1),
    whole(peakRunning),
    longestWait < 60 ? '–' : `${(longestWait / 3600).toFixed(1)} h`,
    whole(Math.max(peakRunning / 1000, peakStarts / measured.rowsPerSecond)),
    whole(Math.max(workerCores / ASSUMED.workerCores, peakRunning / ASSUMED.cachedWorkflows)),
    whole(peakRunning / ASSUMED.agentsPerHost),
    `${whole(cores(measured.serverCpu))} + ${whole(cores(measured.databaseCpu))}`,
    powerOfTwo((writes * ASSUMED.writeSeconds) / ASSUMED.shardUse),
    whole(peakStarts * ASSUMED.actionsPerRow + heartbeats),
    whole((rowsPerDay * actionsPerRow) / 1e6),
    gigabytes(measured.itemBytes + measured.jobBytesPerRow),
    gigabytes(measured.databaseBytesPerRow),
  ];
}

/** Limits, and at how many agents of 120 s at once each is reached, with nothing split and nothing raised. */
function limits(agentSeconds: number) {
  const beat = 1 / ASSUMED.heartbeatSeconds;
  const perSecond = (each: number) => each / agentSeconds;
  const cloud = 500 / (perSecond(ASSUMED.actionsPerRow) + beat);
  const requests = 2400 / (perSecond(ASSUMED.requestsPerRow) + beat);
  const cpu = (agentSeconds * 1000 * ASSUMED.workerCores * ASSUMED.cpuUse) / dev.workerCpu;
  const writes = ASSUMED.shardUse / ASSUMED.writeSeconds / (perSecond(ASSUMED.writesPerRow) + beat);
  const devWrites = dev.rowsPerSecond * ASSUMED.writesMeasured;
  const devServer = devWrites / (perSecond(ASSUMED.writesPerRow) + beat);
  const all: [limit: string, reachedAt: number, then: string][] = [
    ['1,000 items in flight of a job', 1000, 'more jobs'],
    ['1,200 long polls on a frontend', 1200, '`frontend.namespaceCount`, frontends'],
    ['500 actions/s of a Cloud namespace', cloud, 'capacity, namespaces'],
    ['cache of a worker', ASSUMED.cachedWorkflows, 'workers, `--cached-workflows`'],
    ['dev server', devServer, 'a production cluster'],
    ['2,400 requests/s on a frontend', requests, '`frontend.namespaceRPS`, frontends'],
    ['processor of a workflow worker', cpu, 'workers'],
    ['4 history shards', 4 * writes, '512 shards, from the start'],
    ['512 history shards', 512 * writes, 'clusters'],
    ['500 activity slots, 32 adopted items each', 500 * 32, 'workers, `--activity-slots`'],
    ['20,000 activity pollers, 10 for a host', 2000 * ASSUMED.agentsPerHost, 'namespaces'],
  ];
  return all
    .toSorted(([, a], [, b]) => a - b)
    .map(([limit, reachedAt, then]) => [
      limit,
      whole(reachedAt),
      whole(reachedAt / agentSeconds),
      then,
    ]);
}

const HEAD =
  'arrival|rows/s|at once|longest wait|jobs|workflow workers|agent hosts|cores of server + database|' +
  'history shards|Cloud actions/s|actions/day, M|histories/day, GB|database/day, GB';
console.log(`At the busiest:\n\n${table(HEAD.split('|'), SCENARIOS.map(needs))}`);
console.log('\nFirst reached, with agents of 120 s, nothing split, and defaults:\n');
console.log(table(['limit', 'at once', 'rows/s', 'then'], limits(120)));
