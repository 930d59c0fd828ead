/**
 * Everything that can be killed, stopped, cut off or filled up while a job runs: the short form of
 * `npm run test:faults`. AGENT_JOBS_SEED=<n> plays another schedule.
 */
import { test } from 'node:test';
import { play } from './faults/play.js';
import { quietRuntime } from './support/site.js';

const seed = Number(process.env['AGENT_JOBS_SEED'] ?? 1);

test(
  'a job goes through every fault, and each row is in its output once',
  { skip: process.platform !== 'linux' && 'only Linux tells whose a process is' },
  async (t) => {
    quietRuntime();
    const options = { seed, rows: 150, inFlight: 16, seconds: [1, 5] as [number, number] };
    await play({ ...options, times: 1 }, (line) => t.diagnostic(line));
  },
);
