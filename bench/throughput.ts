import { cpuSeconds } from './processes.js';
import type { BenchSite } from './site.js';

/** What it took to get through a number of rows with instant agents. */
export interface Pass {
  rowsPerSecond: number;
  /** CPU milliseconds for each row. */
  workerCpu: number;
  serverCpu: number;
}

export async function ourPass(site: BenchSite, rows: number, inFlight: number): Promise<Pass> {
  return measured(site, site.worker.pid, rows, async () => {
    await site.job({ rows, seconds: () => 0, inFlight });
  });
}

export async function barePass(site: BenchSite, rows: number, inFlight: number): Promise<Pass> {
  return measured(site, site.bare.pid, rows, async () => {
    const { ended } = await site.bareJob({ rows, inFlight, seconds: [0] });
    await ended();
  });
}

async function measured(
  site: BenchSite,
  worker: number,
  rows: number,
  work: () => Promise<void>,
): Promise<Pass> {
  const pids = [worker, site.server.pid];
  const before = pids.map(cpuSeconds);
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const [workerCpu, serverCpu] = pids.map(
    (pid, index) => (1000 * (cpuSeconds(pid) - before[index]!)) / rows,
  );
  return { rowsPerSecond: rows / seconds, workerCpu: workerCpu!, serverCpu: serverCpu! };
}
