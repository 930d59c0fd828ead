/** Which faults strike together, and in which order: by the seed. */
import type { Seeded } from '../support/seeded.js';

/** Each kind of fault, with how many workers it keeps to itself and whether it lasts. */
export const KINDS = {
  /** `kill -9` of a worker that has everything. */
  worker: { workers: 1, lasts: false },
  /** `kill -9` of all of them at once: the only one there is, to the job. */
  workers: { workers: 3, lasts: false },
  /** `kill -9` of a host of agents: what agents report to, while the workflows' workers live. */
  endpoint: { workers: 1, lasts: false },
  /** `kill -9` of agents. */
  agents: { workers: 0, lasts: false },
  /** `kill -9` of the command that waits for the job. */
  client: { workers: 0, lasts: false },
  /** `kill -9` of the server, which is started again on its file. */
  server: { workers: 0, lasts: false },
  /** SIGSTOP of a worker, for longer than its heartbeats may be missing. */
  stopped: { workers: 1, lasts: true },
  /** A worker and the server do not reach each other for 30 s. */
  partition: { workers: 1, lasts: true },
  /** The job store's disk is full for a time. */
  disk: { workers: 0, lasts: false },
} as const;
export type Kind = keyof typeof KINDS;

/** Faults that strike together leave one worker alone. */
const MOST_WORKERS = 2;
const MOST_TOGETHER = 4;

/** @param times how often each kind strikes. @returns what strikes together, one after the other. */
export function drawSchedule(random: Seeded, times: number): Kind[][] {
  const waves: Kind[][] = [];
  for (let n = 0; n < times; n += 1) waves.push(...drawRound(random));
  return waves;
}

/** Each kind once. Those that last do so together, or half of the time would be theirs. */
function drawRound(random: Seeded): Kind[][] {
  const kinds = Object.keys(KINDS) as Kind[];
  const lasting = kinds.filter((kind) => KINDS[kind].lasts);
  const waves = [lasting];
  for (const kind of shuffled(random, kinds)) {
    if (lasting.includes(kind)) continue;
    const fitting = waves.filter(
      (wave) => workersOf([...wave, kind]) <= MOST_WORKERS && wave.length < MOST_TOGETHER,
    );
    const wave =
      KINDS[kind].workers <= MOST_WORKERS ? drawn(random, [...fitting, undefined]) : undefined;
    if (wave === undefined) waves.push([kind]);
    else wave.push(kind);
  }
  return shuffled(random, waves);
}

function workersOf(wave: Kind[]): number {
  return wave.reduce((sum, kind) => sum + KINDS[kind].workers, 0);
}

function drawn<T>(random: Seeded, list: T[]): T {
  return list[random.between(0, list.length - 1)]!;
}

function shuffled<T>(random: Seeded, list: T[]): T[] {
  const left = [...list];
  return list.map(() => left.splice(random.between(0, left.length - 1), 1)[0]!);
}
