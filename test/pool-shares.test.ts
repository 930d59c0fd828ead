/** How a pool divides its slots: by whatever is heard in whatever order, it never grants what it does not have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolAsk } from '../src/pool-message.js';
import { type Lease, hear, heldOf, regrant, sharesOf } from '../src/workflows/pool-shares.js';
import { Seeded } from './support/seeded.js';

test('shares are equal, but nobody has more than it wants, and the first have what is left over', () => {
  assert.deepEqual(sharesOf(10, [3, 20, 20]), [3, 4, 3]);
  assert.deepEqual(sharesOf(9, [9, 9, 9]), [3, 3, 3]);
  assert.deepEqual(sharesOf(64, [10, 5]), [10, 5]);
  assert.deepEqual(sharesOf(2, [5, 9, 9]), [1, 1, 0]);
  assert.deepEqual(sharesOf(7, []), []);
  assert.deepEqual(sharesOf(100, [0, 1000, 30]), [0, 70, 30]);
});

/** A job that uses as much as it may, by the rules of `pool-gate.ts`; its messages take their time. */
class Job {
  readonly job_id: string;
  wants: number;
  running = 0;
  slots = 0;
  granted = 0;
  asked = 0;
  readonly asks: PoolAsk[] = [];
  readonly grants: { number: number; slots: number }[] = [];

  constructor(job_id: string, wants: number) {
    this.job_id = job_id;
    this.wants = wants;
  }

  ask(size: number): void {
    this.slots = Math.min(this.slots, this.wants);
    this.asked += 1;
    const { job_id, asked: number, granted, wants } = this;
    const holds = Math.max(this.slots, this.running);
    this.asks.push({ job_id, number, granted, size, wants, holds });
  }

  take(): void {
    const grant = this.grants.shift();
    if (grant !== undefined && grant.number > this.granted) {
      this.granted = grant.number;
      this.slots = grant.slots;
    }
  }
}

test('no more is used than there is, and in the end everybody has its share', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = new Seeded(seed);
    const size = random.between(1, 12);
    const jobs = Array.from({ length: random.between(1, 5) }, (_, n) => new Job(`j${n}`, 0));
    let leases: Lease[] = [];
    const deliver = (job: Job) => {
      const ask = job.asks.shift();
      if (ask === undefined) return;
      const known = leases.find(({ job_id }) => job_id === job.job_id);
      const lease = hear(ask, known);
      leases =
        known === undefined ? [...leases, lease] : leases.map((l) => (l === known ? lease : l));
      const before = leases;
      leases = regrant(before);
      assert.ok(heldOf(leases) <= size, `seed ${seed}: ${heldOf(leases)} of ${size} held`);
      for (const [n, { job_id, granted, slots }] of leases.entries()) {
        if (granted === before[n]!.granted) continue;
        jobs.find((job) => job.job_id === job_id)!.grants.push({ number: granted, slots });
      }
    };
    const step = (job: Job) => {
      const chance = random.next();
      if (chance < 0.1) job.wants = random.between(0, 15);
      else if (chance < 0.3 && job.running < Math.min(job.slots, job.wants)) job.running += 1;
      else if (chance < 0.5 && job.running > 0) job.running -= 1;
      else if (chance < 0.6) job.ask(size);
      else if (chance < 0.8) job.take();
      else deliver(job);
      const used = jobs.reduce((sum, { running }) => sum + running, 0);
      assert.ok(used <= size, `seed ${seed}: ${used} of ${size} in use`);
    };
    for (let n = 0; n < 400; n += 1) step(jobs[random.between(0, jobs.length - 1)]!);
    // All that is under way arrives, and all rows end.
    for (const job of jobs) job.running = 0;
    for (let n = 0; n < 10; n += 1) {
      for (const job of jobs) {
        while (job.grants.length > 0) job.take();
        job.ask(size);
        while (job.asks.length > 0) deliver(job);
      }
    }
    const inOrder = leases.map(({ job_id }) => jobs.find((job) => job.job_id === job_id)!);
    assert.deepEqual(
      inOrder.map(({ slots }) => slots),
      sharesOf(
        size,
        inOrder.map(({ wants }) => wants),
      ),
      `seed ${seed}`,
    );
  }
});
