import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { HistoryWalk, type ParentHistory } from './history.js';
import type { BenchSite } from './site.js';

/** A moment of a large job. */
export interface GrowthPoint {
  /** That have ended by then. */
  rows: number;
  /** Since the moment before. */
  rowsPerSecond: number;
  /** Of all runs of the job by then. */
  events: number;
  /** Of its longest run by then. */
  longestEvents: number;
}

export interface LargeJob {
  rowsPerSecond: number;
  /** What another program says of its output, beside its input. */
  output: string;
  history: ParentHistory;
}

/** A job that has no row to show for so long hangs. */
const STALLED_SECONDS = 180;
const POINTS = 50;
const CHECK = fileURLToPath(new URL('check-output.py', import.meta.url));

/**
 * Runs a job of many rows with instant agents.
 * @param reached is told how it stands, some fifty times.
 * @throws if no row ends for a time, if it does not succeed, or if its output differs from its input.
 */
export async function largeJob(
  site: BenchSite,
  rows: number,
  inFlight: number,
  reached: (point: GrowthPoint) => Promise<void>,
): Promise<LargeJob> {
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  const job = await site.start({ rows, inFlight, agent: { command: ['none'] } });
  const history = new HistoryWalk(site.client, job.jobId);
  const ended = new AbortController();
  const took = site
    .succeeded(job, rows)
    .then(seconds)
    .finally(() => ended.abort());
  took.catch(() => {});

  let last = { rows: 0, seconds: 0 };
  let moved = last;
  const note = async (now: { rows: number; seconds: number }) => {
    const { events, longestEvents } = await history.now();
    const rowsPerSecond = (now.rows - last.rows) / (now.seconds - last.seconds);
    last = now;
    await reached({ rows: now.rows, rowsPerSecond, events, longestEvents });
  };
  // Often enough for each moment, and seldom enough to cost nothing.
  const lookMs = Math.min(5000, Math.max(200, rows / 20));
  while (!ended.signal.aborted) {
    await delay(lookMs, undefined, { signal: ended.signal }).catch(() => {});
    const { completed } = await site.within(`the status of ${job.jobId}`, 60, job.status());
    const now = { rows: completed, seconds: seconds() };
    if (ended.signal.aborted) break;
    if (now.rows > moved.rows) moved = now;
    if (now.seconds - moved.seconds > STALLED_SECONDS) {
      const stalled = `no row has ended for ${STALLED_SECONDS} s`;
      throw new Error(`${job.jobId}: ${stalled}, after ${completed} of ${rows}`);
    }
    if (now.rows - last.rows >= rows / POINTS) await note(now);
  }
  const rowsPerSecond = rows / (await took);
  const { output_csv_path } = await job.status();
  const files = [site.inputOf(job.jobId), output_csv_path!];
  const { stdout } = await promisify(execFile)('python3', [CHECK, ...files, 'id']);
  return { rowsPerSecond, output: stdout.split('\n', 1)[0]!, history: await history.now() };
}
