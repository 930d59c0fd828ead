import type { BenchSite } from './site.js';
import { cpuSeconds } from './processes.js';

/** What it took to get through a number of rows. */
export interface Pass {
  rowsPerSecond: number;
  /** CPU milliseconds for each row. */
  workerCpu: number;
  serverCpu: number;
}

let passes = 0;

/** Instant agents, by our job. */
export async function ourPass(site: BenchSite, rows: number, inFlight: number): Promise<Pass> {
  const name = `ours-${(passes += 1)}`;
  const csv_path = await site.input(name, rows, () => 0);
  return measured(site, site.worker.pid, rows, async () => {
    const job = await site.jobs.start(
      {
        csv_path,
        instruction: '{seconds}',
        id_column: 'id',
        agent: { activity: 'agent', task_queue: 'bench-activities' },
        max_concurrency: inFlight,
      },
      { jobId: name },
    );
    const { verdict } = await job.result();
    if (verdict !== 'succeeded') throw new Error(`${name}: ${verdict}`);
  });
}

/** Instant agents, by the bare minimum. */
export async function barePass(site: BenchSite, rows: number, inFlight: number): Promise<Pass> {
  const workflowId = `bare-${(passes += 1)}`;
  return measured(site, site.bare.pid, rows, () =>
    site.client.workflow.execute('bareParent', {
      workflowId,
      taskQueue: 'bench-bare',
      args: [workflowId, rows, inFlight],
    }),
  );
}

async function measured(
  site: BenchSite,
  worker: number,
  rows: number,
  work: () => Promise<unknown>,
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
