/** How a pool divides its slots: by whatever is heard in whatever order, it never grants what it does not have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolAsk, PoolGrant } from '../src/pool-message.js';
import { askSent, newLease, nextAsk, take } from '../src/workflows/pool-lease.js';
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

/** A job that uses as much as it may; its messages take their time, and may pass each other. */
class Job {
  readonly job_id: string;
  wants = 0;
  running = 0;
  readonly lease = newLease();
  /** An ask that is under way, and whether the pool has heard it: the job knows of that later. */
  asking: { ask: PoolAsk; heard: boolean } | undefined;
  readonly grants: PoolGrant[] = [];

  constructor(job_id: string) {
    this.job_id = job_id;
  }

  tell(size: number): void {
    if (this.asking !== undefined) return;
    const ask = nextAsk(this.lease, Math.max(this.wants, this.running), this.running);
    if (ask !== undefined)
      this.asking = { ask: { job_id: this.job_id, size, ...ask }, heard: false };
  }
}

test('no more is used than there is, and in the end everybody has its share', () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = new Seeded(seed);
    const size = random.between(1, 12);
    const jobs = Array.from({ length: random.between(1, 5) }, (_, n) => new Job(`j${n}`));
    let leases: Lease[] = [];
    const hearOne = (job: Job) => {
      if (job.asking === undefined) return;
      if (job.asking.heard) {
        askSent(job.lease, job.asking.ask);
        job.asking = undefined;
        return;
      }
      job.asking.heard = true;
      const known = leases.find(({ job_id }) => job_id === job.job_id);
      const lease = hear(job.asking.ask, known);
      leases =
        known === undefined ? [...leases, lease] : leases.map((l) => (l === known ? lease : l));
      leases = leases.filter(({ wants, held }) => wants > 0 || held > 0);
      const before = leases;
      leases = regrant(before);
      assert.ok(heldOf(leases) <= size, `seed ${seed}: ${heldOf(leases)} of ${size} held`);
      for (const [n, { job_id, granted: number, asked, slots }] of leases.entries()) {
        if (number === before[n]!.granted) continue;
        jobs.find((job) => job.job_id === job_id)!.grants.push({ pool: 'p', number, asked, slots });
      }
    };
    const takeOne = (job: Job) => {
      const [grant] = job.grants.splice(random.next() < 0.2 ? -1 : 0, 1);
      if (grant !== undefined) take(job.lease, grant);
    };
    const step = (job: Job) => {
      const chance = random.next();
      if (chance < 0.1) job.wants = random.between(0, 15);
      else if (chance < 0.4 && job.running < Math.min(job.lease.slots, job.wants)) job.running += 1;
      else if (chance < 0.5 && job.running > 0) job.running -= 1;
      else if (chance < 0.75) takeOne(job);
      else hearOne(job);
      job.tell(size);
      const used = jobs.reduce((sum, { running }) => sum + running, 0);
      assert.ok(used <= size, `seed ${seed}: ${used} of ${size} in use`);
    };
    for (let n = 0; n < 400; n += 1) step(jobs[random.between(0, jobs.length - 1)]!);
    // Rows end, and all that is under way arrives. Nobody says anything without a reason.
    const settle = () => {
      for (let n = 0; n < 1000; n += 1) {
        for (const job of jobs) {
          job.running = Math.min(job.running, job.lease.slots);
          takeOne(job);
          hearOne(job);
          job.tell(size);
        }
      }
    };
    settle();
    assert.ok(
      jobs.every(({ asking, grants }) => asking === undefined && grants.length === 0),
      `seed ${seed}: they do not come to rest`,
    );
    const inOrder = leases.map(({ job_id }) => jobs.find((job) => job.job_id === job_id)!);
    const shares = sharesOf(
      size,
      inOrder.map(({ wants, running }) => Math.max(wants, running)),
    );
    const told = `seed ${seed} ${JSON.stringify(leases)} ${JSON.stringify(inOrder)}`;
    assert.deepEqual(
      inOrder.map(({ lease }) => lease.slots),
      shares,
      told,
    );
    assert.deepEqual(
      leases.map(({ held }) => held),
      shares,
      told,
    );
  }
});
