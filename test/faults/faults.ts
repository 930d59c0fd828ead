/** What each kind of fault does. Each returns when it is over, with what it did. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Seeded } from '../support/seeded.js';
import { until } from '../support/site.js';
import type { Slot } from './fleet.js';
import type { Kind } from './schedule.js';
import type { Storm } from './storm.js';

/** A silent worker is taken for lost after 20 s. */
const STOPPED_SECONDS = 25;
const PARTITION_SECONDS = 30;
const DISK_SECONDS = 8;
/** Agents that are killed at once. */
const KILLED_AGENTS = 3;
/** Kills of one row's agents: one less than its attempts. */
export const MOST_KILLS = 2;
/** The guard is polite first, and the machine may be busy. */
const GUARD_MS = 15_000;

/** @param random of its own: what strikes together must not disturb what the seed has fixed. */
type Fault = (storm: Storm, random: Seeded) => Promise<string>;

export const FAULTS: Record<Kind, Fault> = {
  worker: (storm, random) => killWorker(storm, random, random.next() < 0.5 ? 'one' : 'two'),
  endpoint: (storm, random) => killWorker(storm, random, 'agents'),

  async workers(storm, random) {
    const { slots } = storm.fleet;
    const lost = await Promise.all(slots.map((slot) => killed(storm, slot)));
    await delay(random.between(0, 3000));
    await Promise.all(slots.map((slot) => slot.start()));
    return `all workers killed, with ${sum(lost)} agents`;
  },

  async agents(storm, random) {
    const killed: string[] = [];
    const live = storm.agents.live().filter(({ item }) => storm.agents.killsOf(item) < MOST_KILLS);
    while (killed.length < KILLED_AGENTS && live.length > 0) {
      const [{ item, group }] = live.splice(random.between(0, live.length - 1), 1) as [
        (typeof live)[number],
      ];
      if (killed.includes(item)) continue;
      storm.agents.noteKill(item);
      killed.push(item);
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    return `the agents of ${killed.join(', ')} killed`;
  },

  async client(storm) {
    await storm.replaceClient();
    return 'the client killed; another one follows the job';
  },

  async server(storm, random) {
    await storm.restartServer(random.between(0, 3000));
    return 'the server killed, and started again on its file';
  },

  async stopped(storm, random) {
    return withWorker(storm, random, undefined, async ({ name, worker }) => {
      worker.signal('SIGSTOP');
      await delay(STOPPED_SECONDS * 1000);
      worker.signal('SIGCONT');
      return `worker ${name} stopped for ${STOPPED_SECONDS} s`;
    });
  },

  async partition(storm, random) {
    const how = random.next() < 0.5 ? 'silent' : 'refused';
    return withWorker(storm, random, undefined, async ({ name, wire }) => {
      wire.cut(how);
      await delay(PARTITION_SECONDS * 1000);
      wire.mend();
      return `worker ${name} cut off for ${PARTITION_SECONDS} s (${how})`;
    });
  },

  async disk({ disk }) {
    if (disk === undefined) return 'no disk was filled';
    for (let ms = 0; ms < DISK_SECONDS * 1000; ms += 500) {
      disk.fill();
      await delay(500);
    }
    disk.empty();
    return `the store's disk full for ${DISK_SECONDS} s`;
  },
};

async function killWorker(storm: Storm, random: Seeded, name: Slot['name']): Promise<string> {
  return withWorker(storm, random, name, async (slot) => {
    const lost = await killed(storm, slot);
    await delay(random.between(0, 5000));
    await slot.start();
    return `worker ${name} killed, with ${lost} agents`;
  });
}

/** Kills a worker, and waits for the end of its agents, which is its guard's to bring about. */
async function killed(storm: Storm, { name, worker }: Slot): Promise<number> {
  const { pid } = worker;
  const ofIt = () => storm.agents.live().filter((agent) => agent.worker === pid);
  const agents = ofIt().length;
  const guards = storm.workers().filter(({ parent }) => parent === pid);
  await worker.kill();
  await until(
    `worker ${name} has taken its agents along`,
    async () => {
      // Some have been started since.
      await storm.agents.readStarts();
      return ofIt().length === 0;
    },
    GUARD_MS,
  );
  const left = () =>
    storm.workers().filter((process) => guards.some((guard) => guard.pid === process.pid));
  await until(`worker ${name} has no guard any more`, () => left().length === 0, GUARD_MS);
  return agents;
}

async function withWorker(
  storm: Storm,
  random: Seeded,
  name: Slot['name'] | undefined,
  strike: (slot: Slot) => Promise<string>,
): Promise<string> {
  const slot = storm.fleet.take(random, name);
  try {
    return await strike(slot);
  } finally {
    storm.fleet.giveBack(slot);
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
