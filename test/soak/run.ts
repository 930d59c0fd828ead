/**
 * `npm run soak [-- --rows N] [--minutes M] [--samples FILE]`: one job of 50,000 rows in an hour, of which one in a
 * hundred has a fault. Writes what server and worker take as it goes on, and fails where that grows.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stringify } from 'csv-stringify/sync';
import { AgentJobs } from '../../src/client.js';
import { DevServer } from '../support/dev-server.js';
import { LIGHT_AGENT } from '../support/light-agent.js';
import { quietRuntime, readOutput } from '../support/site.js';
import { WorkerProcess } from '../support/worker-process.js';
import { growth, isFlat } from './flatness.js';
import { type Sample, csv, look } from './samples.js';

const IN_FLIGHT = 16;
const SAMPLES = 240;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '50000' },
    minutes: { type: 'string', default: '60' },
    samples: { type: 'string', default: 'soak.csv' },
  },
});
const rows = Number(values.rows);
const minutes = Number(values.minutes);
const file = resolve(values.samples);
/** So that the job takes about as long as it is given. */
const seconds = (IN_FLIGHT * minutes * 60) / rows;

/** One row in a hundred; in its first attempt, the second is as that of any other. */
const FAULTS = [
  'exit 1',
  'kill -9 $$',
  'exit 0',
  `report '{' 5; exit 1`,
  `daemon 30 '"never"'; exit 1`,
];

function shellOf(n: number): string {
  const work = `sleep ${seconds.toFixed(2)}; report ${n}`;
  if (n % 100 !== 50) return work;
  return `[ $AGENT_JOBS_ATTEMPT -gt 1 ] || { ${FAULTS[((n - 50) / 100) % FAULTS.length]}; }; ${work}`;
}

quietRuntime();
const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-soak-'));
const server = await DevServer.start(folder);
const temporary = join(folder, 'tmp');
await mkdir(temporary);
try {
  const store = join(folder, 'store');
  const env = {
    ...process.env,
    TEMPORAL_ADDRESS: server.address,
    AGENT_JOBS_STORE: store,
    AGENT_JOBS_TASK_QUEUE: 'soak',
    XDG_STATE_HOME: join(folder, 'state'),
    TMPDIR: temporary,
  };
  const worker = await WorkerProcess.start(env, { cwd: folder });
  const jobs = new AgentJobs({ client: await server.client(), taskQueue: 'soak', store });
  const csv_path = join(folder, 'in.csv');
  const cells = Array.from({ length: rows }, (_, n) => [`r${n}`, shellOf(n)]);
  await writeFile(csv_path, stringify([['id', 'shell'], ...cells]));
  const begun = Date.now();
  const job = await jobs.start({
    csv_path,
    ...{ instruction: '{shell}', id_column: 'id', agent: { command: LIGHT_AGENT } },
    ...{ max_concurrency: IN_FLIGHT, max_attempts: 2, report_grace_seconds: 1 },
  });

  const looked = {
    ...{ worker: worker.pid, server: server.pid, database: join(folder, 'dev.db'), temporary },
    notes: join(folder, 'state/agent-jobs/runs'),
  };
  const samples: Sample[] = [];
  const ended = new AbortController();
  const result = job.result().finally(() => ended.abort());
  result.catch(() => {});
  const load: number[] = [];
  while (!ended.signal.aborted) {
    const { completed, failed, state } = await job.status();
    // What comes before the first row and after the last is not the job's ordinary course.
    if (state === 'running' && completed + failed > 0) {
      samples.push(look(looked, (Date.now() - begun) / 1000, completed + failed));
      load.push(loadavg()[0]!);
      await writeFile(file, csv(samples));
    }
    const waitMs = (minutes * 60_000) / SAMPLES;
    await delay(waitMs, undefined, { signal: ended.signal }).catch(() => {});
  }
  const { verdict, completed, failures, output_csv_path } = await result;
  const took = (Date.now() - begun) / 1000;
  const output = await readOutput(output_csv_path);
  const right = output.filter(
    ({ row_index, result_json }, n) => row_index === String(n) && result_json === String(n),
  ).length;
  const again = output.filter(({ attempt_count }) => Number(attempt_count) > 1).length;
  console.log(
    `${verdict}: ${completed} of ${rows} rows in ${took.toFixed(0)} s, ${again} of them in their second attempt; ` +
      `${right} right in the output; load ${(load.reduce((a, b) => a + b, 0) / load.length).toFixed(1)} on ${availableParallelism()} cores`,
  );
  if (verdict !== 'succeeded' || right !== rows || output.length !== rows) {
    console.log(JSON.stringify(failures));
    process.exitCode = 1;
  }
  for (const each of growth(samples)) {
    const flat = isFlat(each);
    if (!flat) process.exitCode = 1;
    const figures = [each.early, each.late, each.most].map((n) =>
      Math.round(n).toString().padStart(14),
    );
    console.log(`${each.name.padEnd(18)}${figures.join('')}  ${flat ? 'flat' : 'GROWS'}`);
  }
  worker.signal('SIGTERM');
  await worker.ended;
  await jobs.close();
  console.log(`samples: ${file}`);
} finally {
  WorkerProcess.killAll();
  await server.kill();
  await rm(folder, { recursive: true, force: true });
}
