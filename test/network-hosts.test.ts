/**
 * A caller and three workers, each in a network namespace and with a home of its own, with nothing in
 * common but the addresses of the server and the object store. One host is lost, one is cut off for a time.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'csv-stringify/sync';
import { RunningCli } from './support/cli.js';
import { hostOf, started } from './support/host.js';
import { Network } from './support/network.js';
import { S3Server } from './support/s3-server.js';
import { AGENT, Site, type Step, readOutput, until } from './support/site.js';
import { WorkerProcess } from './support/worker-process.js';

const STORE = 's3://jobs/team';
const SLOTS = 2;

const namespaceOf = (pid: number | 'self') => readlink(`/proc/${pid}/ns/net`);

describe('hosts with networks of their own', { skip: Network.unavailable }, () => {
  let network: Network;
  let site: Site;
  let s3: S3Server;
  let addresses: Record<string, string>;
  before(async () => {
    network = new Network();
    site = await Site.open();
    s3 = await S3Server.start(site.folder, ['jobs']);
    addresses = {
      TEMPORAL_ADDRESS: await network.forward(site.env.address),
      AWS_ENDPOINT_URL_S3: `http://${await network.forward(s3.endpoint)}`,
    };
  });
  after(async () => {
    WorkerProcess.killAll();
    await S3Server.killAll();
    await site?.close();
    network?.remove();
  });

  async function worker(name: string): Promise<WorkerProcess> {
    const within = network.host(name);
    const { cwd, env } = await hostOf(site, s3, name);
    const args = ['--store', STORE, '--concurrency', String(SLOTS)];
    return WorkerProcess.start({ ...env, ...addresses }, { cwd, within, args });
  }

  it('work on one job, each row of which is in the output once, whatever becomes of them', async () => {
    const open = join(site.folder, 'open');
    const log = join(site.folder, 'started');
    const ids = Array.from({ length: 24 }, (_, n) => `r${n}`);
    const steps: Step[] = [
      ['append', log],
      ['wait-for', open],
      ['report', 'done'],
    ];
    const caller = await hostOf(site, s3, 'caller');
    await writeFile(
      join(caller.cwd, 'in.csv'),
      stringify([['id', 'steps'], ...ids.map((id) => [id, JSON.stringify(steps)])]),
    );
    const lost = await worker('lost');
    const run = new RunningCli(
      [
        ...['run', 'in.csv', '--store', STORE, '--job-id', 'netted', '--output', 'out.csv'],
        ...['--instruction', '{steps}', '--id-column', 'id', '--max-concurrency', '6'],
        ...['--', ...AGENT],
      ],
      { cwd: caller.cwd, env: { ...caller.env, ...addresses }, within: network.host('caller') },
    );
    await until('the first host has agents', async () => (await started(log)).length === SLOTS);
    const ofLost = await started(log);
    const cut = await worker('cut');
    await until('the second, too', async () => (await started(log)).length === 2 * SLOTS);
    const ofCut = (await started(log)).slice(SLOTS);
    const staying = await worker('staying');
    await until('the third, too', async () => (await started(log)).length === 3 * SLOTS);

    const pids = [lost, cut, staying].map(({ pid }) => pid);
    const namespaces = await Promise.all([...pids, 'self' as const].map(namespaceOf));
    assert.equal(new Set(namespaces).size, 4, namespaces.join(' '));

    network.link('cut', 'down');
    await lost.kill();
    await writeFile(open, '');
    await until(
      'the rows of both are worked on again',
      async () => {
        const again = (await started(log)).slice(3 * SLOTS);
        return [...ofLost, ...ofCut].every((id) => again.includes(id));
      },
      120_000,
    );
    network.link('cut', 'up');

    const { code, stdout, stderr } = await run.ending;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /succeeded.*24 of 24 rows completed/);
    const rows = await readOutput(join(caller.cwd, 'out.csv'));
    assert.deepEqual(
      rows.map(({ item_id, status, attempt_count }) => [item_id, status, attempt_count]),
      ids.map((id) => [id, 'completed', '1']),
    );
    for (const name of ['caller', 'lost', 'cut', 'staying']) {
      const jobs = join(site.folder, 'hosts', name, 'state/agent-jobs/jobs');
      assert.equal(existsSync(jobs), false, `${name} has kept something of the job`);
    }
  });
});
