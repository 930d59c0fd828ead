/**
 * `npm run bench:production`: one job on the production server (PostgreSQL, several history shards, two
 * workers) and on the dev server, by turns. Writes `RESULTS.md`.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format } from 'prettier';
import { DevServer } from '../../test/support/dev-server.js';
import { median, sum } from '../statistics.js';
import { ProductionCluster, SERVER_VERSION } from './cluster.js';
import { type Pass, ProductionSite, type Server } from './site.js';

const IN_FLIGHT = 64;
/** What is done first of all is not what is measured. */
const WARM_ROWS = 64;

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000' },
    repeats: { type: 'string', default: '3' },
    shards: { type: 'string', default: '128' },
    output: { type: 'string', default: import.meta.dirname },
  },
});
const [rows, repeats, shards] = [options.rows, options.repeats, options.shards].map(Number) as [
  number,
  number,
  number,
];

const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-production-'));
const sites: ProductionSite[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closed().finally(() => process.exit(1)));
}
try {
  await measure();
} finally {
  await closed();
}
process.exit();

async function measure(): Promise<void> {
  const cluster = await ProductionCluster.start(await subfolder('production'), shards);
  const production = await opened(cluster, 'production');
  const devServer = await DevServer.start(await subfolder('dev'));
  const dev = await opened(
    {
      address: devServer.address,
      client: () => devServer.client(),
      serverPids: [devServer.pid],
      databasePids: [],
      databaseBytes: async () => 0,
      kill: () => devServer.kill(),
    },
    'dev',
  );
  const passes: { dev: Pass; production: Pass }[] = [];
  for (const site of [dev, production]) await site.pass(WARM_ROWS, IN_FLIGHT);
  for (let n = 0; n < repeats; n += 1) {
    const pair = {
      dev: await dev.pass(rows, IN_FLIGHT),
      production: await production.pass(rows, IN_FLIGHT),
    };
    assert.equal(pair.production.digest, pair.dev.digest, 'the servers differ in their results');
    passes.push(pair);
    console.log(
      `${pair.dev.rowsPerSecond.toFixed(1)} rows/s on the dev server, ${pair.production.rowsPerSecond.toFixed(1)} on production`,
    );
  }
  const figures = {
    dev: medians(passes.map((pair) => pair.dev)),
    production: medians(passes.map((pair) => pair.production)),
  };
  await writeFile(
    join(options.output, 'results.json'),
    await format(JSON.stringify(figures), { parser: 'json' }),
  );
  const text = await format(table(passes, cluster.postgresVersion), { parser: 'markdown' });
  await writeFile(join(options.output, 'RESULTS.md'), text);
  console.log(`\n${text}`);
}

/** For the simulation of scale. */
function medians(passes: Pass[]): Record<string, number> {
  const of = (figure: (pass: Pass) => number) => median(passes.map(figure));
  return {
    rowsPerSecond: of((pass) => pass.rowsPerSecond),
    workerCpu: of(({ workerCpu }) => sum(workerCpu)),
    serverCpu: of((pass) => pass.serverCpu),
    databaseCpu: of((pass) => pass.databaseCpu),
    itemBytes: of((pass) => pass.itemBytes),
    jobBytesPerRow: of((pass) => pass.jobBytesPerRow),
    databaseBytesPerRow: of((pass) => pass.databaseBytesPerRow),
    storeBytesPerRow: of((pass) => pass.storeBytesPerRow),
  };
}

function table(passes: { dev: Pass; production: Pass }[], postgres: string): string {
  const line = (what: string, of: (pass: Pass) => number, digits = 1) => {
    const [dev, production] = [
      median(passes.map((pair) => of(pair.dev))),
      median(passes.map((pair) => of(pair.production))),
    ];
    // The dev server has its database within.
    const shown = (value: number) => (value === 0 ? '–' : value.toFixed(digits));
    return `| ${what} | ${shown(dev)} | ${shown(production)} |`;
  };
  const busiest = ({ workerCpu }: Pass) => (100 * Math.max(...workerCpu)) / sum(workerCpu);
  const digests = new Set(passes.flatMap(({ dev, production }) => [dev.digest, production.digest]));
  return `# The production server

By \`npm run bench:production\`, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, all on one machine: ${cpus().length} cores
(${cpus()[0]!.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB; Node ${process.versions.node}.

A job of ${rows} rows with instant agents, ${IN_FLIGHT} in flight, two workflow workers, on either server by turns: medians of ${passes.length}.
Both are Temporal ${SERVER_VERSION}; the production server has ${postgres.replace(/^postgres \(PostgreSQL\) /, 'PostgreSQL ')} with its own defaults, ${shards} history shards, and
the configuration of \`temporal.yaml\`; the dev server is that of \`temporal-dev.sh\`.

| what | dev server | production server |
| --- | --- | --- |
${line('rows per second', (pass) => pass.rowsPerSecond)}
${line('CPU of both workers, ms per row', ({ workerCpu }) => sum(workerCpu))}
${line('share of the worker that did more, %', busiest, 0)}
${line('CPU of the server, ms per row', (pass) => pass.serverCpu)}
${line('CPU of PostgreSQL, ms per row', (pass) => pass.databaseCpu)}
${line('history events of the job per row', (pass) => pass.eventsPerRow, 2)}
${line('history of an item, bytes', (pass) => pass.itemBytes, 0)}
${line('histories of the job, bytes per row', (pass) => pass.jobBytesPerRow, 0)}
${line('growth of PostgreSQL, bytes per row', (pass) => pass.databaseBytesPerRow, 0)}
${line('job store, bytes per row', (pass) => pass.storeBytesPerRow, 0)}
| rows in the output: each once, in order, completed | ${passes.length} × ${rows} | ${passes.length} × ${rows} |
| what became of each row, all outputs | ${digests.size === 1 ? 'identical' : 'differs'} | ${digests.size === 1 ? 'identical' : 'differs'} |
`;
}

async function subfolder(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  return path;
}

async function opened(server: Server, name: string): Promise<ProductionSite> {
  try {
    const site = await ProductionSite.open(server, await subfolder(`${name}-jobs`));
    sites.push(site);
    return site;
  } catch (error) {
    await server.kill();
    throw error;
  }
}

/** Ends all that was started. */
async function closed(): Promise<void> {
  await Promise.all(sites.splice(0).map((site) => site.close()));
  await rm(folder, { recursive: true, force: true });
}
