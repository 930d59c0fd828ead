/** The rows of a job under faults: agents that are correct, each in a way of its own. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../../src/client.js';
import type { Seeded } from '../support/seeded.js';
import { ROOT } from '../support/site.js';

/**
 * What an agent does after its work.
 * - `reports`: until it has an answer, for ever if need be.
 * - `large`: once, with a result that the store keeps.
 * - `leaves`: does not wait for it.
 * - `later`: has another process report when it is gone.
 * - `unanswered`: gets no answer to its report, and reports again.
 * - `misdated`: its clock is wrong by decades.
 */
export const WAYS = ['reports', 'large', 'leaves', 'later', 'unanswered', 'misdated'] as const;
export type Way = (typeof WAYS)[number];

export interface Row {
  id: string;
  way: Way;
  /** How long its agent works. */
  seconds: number;
}

/** What rows share. */
export interface Surroundings {
  /** Where agents note their starts: item, process, worker, token. */
  starts: string;
  /** A file without which the last rows do not end, so that faults find a job that runs. */
  over: string;
  /** Where answers are cut off. */
  cutter: string;
  /** Where those whose first answer was cut off note both. */
  answers: string;
}

const LARGE = 6000;
/** Days that a wrong clock is behind. */
const BEHIND = 12_000;
const MISDATED_AGENT = join(ROOT, 'test/support/misdated-agent.mjs');
const FAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((platform) => `/usr/lib/${platform}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

/** Why no agent can have a wrong clock here; false where it can. */
export const clocksAreRight: string | false =
  FAKETIME === undefined && 'there is no libfaketime (on Debian: apt-get install libfaketime)';

/** Removes what libfaketime leaves of processes that were killed. */
export async function forgetClocks(pids: number[]): Promise<void> {
  for (const pid of pids) {
    for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`]) {
      await rm(join('/dev/shm', name), { force: true });
    }
  }
}

/** Draws the rows of a job. */
export function drawRows(random: Seeded, count: number, [from, to]: [number, number]): Row[] {
  const ways = WAYS.filter((way) => way !== 'misdated' || clocksAreRight === false);
  return Array.from({ length: count }, (_, n) => ({
    id: `r${String(n).padStart(4, '0')}`,
    // Each way is there in any job; most agents are ordinary ones.
    way: n < ways.length ? ways[n]! : random.next() < 0.5 ? 'reports' : pick(random, ways),
    seconds: Math.round(100 * (from + random.next() * (to - from))) / 100,
  }));
}

/** The work of a row, as shell for the light agent. @param held ends only when the faults are over. */
export function shellOf({ id, way, seconds }: Row, at: Surroundings, held: boolean): string {
  const begin = `echo "$AGENT_JOBS_ITEM_ID $$ $PPID $AGENT_JOBS_REPORT_TOKEN" >>${at.starts}`;
  const hold = held ? `until [ -e ${at.over} ]; do sleep 0.5; done; ` : '';
  return `${begin}; sleep ${seconds}; ${hold}${end(way, id, at)}`;
}

function end(way: Way, id: string, { cutter, answers }: Surroundings): string {
  const result = JSON.stringify(id);
  switch (way) {
    case 'reports':
      return `until [[ $(report '${result}') == *[0-9] ]]; do sleep 0.5; done`;
    case 'large':
      return `report "$(printf '"%s%${LARGE}s"' ${result} x)"`;
    case 'leaves':
      return `send '${result}'`;
    case 'later':
      return `later 0.2 '${result}'`;
    case 'unanswered':
      return `echo "$(via=${cutter} report '${result}' 10), $(report '${result}')" >>${answers}`;
    case 'misdated':
      return `LD_PRELOAD=${FAKETIME} FAKETIME=-${BEHIND}d exec ${process.execPath} ${MISDATED_AGENT} ${id}`;
  }
}

/** What is wrong with the result that a row has in the output; undefined where it is its own. */
export function wrongResult({ id, way }: Row, result: Json): string | undefined {
  if (way === 'misdated') {
    const { id: reported, now } = result as { id: string; now: string };
    const behind = (Date.now() - Date.parse(now)) / 86_400_000;
    return reported === id && Math.abs(behind - BEHIND) < 2 ? undefined : JSON.stringify(result);
  }
  const own = way === 'large' ? id + 'x'.padStart(LARGE) : id;
  return result === own ? undefined : JSON.stringify(result).slice(0, 100);
}

function pick<T>(random: Seeded, list: readonly T[]): T {
  return list[random.between(0, list.length - 1)]!;
}
