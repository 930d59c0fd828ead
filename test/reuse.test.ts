/** Results of earlier jobs are taken where the same was asked of the same row. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import type { JobHandle } from '../src/client.js';
import { taskHash } from '../src/reuse/task-hash.js';
import { cli } from './support/cli.js';
import { Site, readOutput } from './support/site.js';
import { Workshop } from './support/workshop.js';

let site: Site;
before(async () => {
  site = await Site.open();
  await site.worker();
});
after(() => site.close());

async function origins(job: JobHandle): Promise<(string | undefined)[]> {
  const { output_csv_path: path } = await job.status();
  return (await readOutput(path!)).map((row) => row['origin_job_id']);
}

test('a task is the same whatever tells that its agents have met a limit, and no other one', () => {
  const spec = { csv_path: '/x.csv', instruction: 'x', agent: { command: ['agent'] } };
  const told = { ...spec, agent: { ...spec.agent, quota_pattern: 'limit', quota_exit_code: 75 } };
  assert.equal(taskHash(told, undefined), taskHash(spec, undefined));
  const other = { ...spec, agent: { ...spec.agent, pass_env: ['MODEL'] } };
  assert.notEqual(taskHash(other, undefined), taskHash(spec, undefined));
});

describe('reuse', { concurrency: 4 }, () => {
  it('starts no agent for what an earlier job has completed, however that job was run', async () => {
    const workshop = await Workshop.open(site);
    const first = await workshop.run({ max_concurrency: 2 });
    await workshop.starts();
    const second = await workshop.run({ reuse: true, max_runtime_seconds: 77, max_attempts: 2 });
    assert.equal(await workshop.starts(), '');
    const summary = await second.result();
    assert.deepEqual(
      [summary.verdict, summary.total, summary.completed, summary.kept?.completed],
      ['succeeded', 5, 5, 5],
    );
    assert.deepEqual(
      await origins(second),
      Array.from({ length: 5 }, () => first.jobId),
    );
    const results = async (job: JobHandle) =>
      (await readOutput((await job.status()).output_csv_path!)).map((row) => row['result_json']);
    const [before, after] = [await results(first), await results(second)];
    assert.deepEqual(after, before);
    // Kept apart from its outcome, in the part of the first job.
    assert.ok(after[4]!.length > 9000);
    // And again, of results that were themselves taken from elsewhere.
    const third = await workshop.run({ reuse: true });
    assert.equal(await workshop.starts(), '');
    assert.deepEqual(
      await origins(third),
      Array.from({ length: 5 }, () => first.jobId),
    );
    assert.deepEqual(await results(third), before);
  });

  it('starts all where it is not asked for', async () => {
    const workshop = await Workshop.open(site);
    await workshop.run();
    await workshop.starts();
    const second = await workshop.run();
    assert.equal(await workshop.starts(), 'abcde');
    assert.deepEqual((await origins(second))[0], undefined);
  });

  it('starts what failed, and what is another row, wherever that stands', async () => {
    const workshop = await Workshop.open(site);
    await workshop.make('fails', 'b');
    const first = await workshop.run();
    await workshop.starts();
    await workshop.mend('fails', 'b');
    const [header, a, b, c, d, e] = (await readFile(workshop.input, 'utf8')).split('\n');
    const other = c!.replace('row c', 'row C');
    const rows = [header, 'n,new,x,1', e, d, other, b, a];
    await writeFile(workshop.input, rows.join('\n'));
    const second = await workshop.run({ reuse: true });
    assert.equal(await workshop.starts(), 'bcn');
    const { jobId } = first;
    assert.deepEqual(await origins(second), ['', jobId, jobId, '', '', jobId]);
    const items: string[] = [];
    for await (const { item_id, row_index } of second.items()) items.push(`${row_index}${item_id}`);
    assert.deepEqual(items, ['0n', '1e', '2d', '3c', '4b', '5a']);
    assert.match((await second.logs('e'))[0]!.text, /works on e/);
  });

  it('starts all where instruction, schema or agent are others', async () => {
    const workshop = await Workshop.open(site);
    await workshop.run();
    await workshop.starts();
    for (const change of [
      { instruction: 'Do {text} well' },
      { output_schema: { type: 'object' } },
      { agent: workshop.agent('another') },
    ]) {
      await workshop.run({ ...change, reuse: true });
      assert.equal(await workshop.starts(), 'abcde', JSON.stringify(change));
    }
  });

  it('is an option of run, and is told', async () => {
    const workshop = await Workshop.open(site);
    const command = ['--', ...workshop.command('first')];
    const args = ['run', workshop.input, '--instruction', 'Do {text}', '--id-column', 'id'];
    const run = (...options: string[]) =>
      cli([...args, '--reuse', ...options, ...command], {
        env: site.processEnv,
        cwd: workshop.folder,
      });
    await workshop.make('fails', 'a');
    assert.equal((await run()).code, 3);
    await workshop.starts();
    await workshop.mend('fails', 'a');
    const output = join(workshop.folder, 'out.jsonl');
    const { code, stdout } = await run('--output', output);
    assert.equal(await workshop.starts(), 'a');
    assert.equal(code, 0);
    assert.match(stdout, /succeeded\. 5 of 5 rows completed/);
    assert.match(stdout, /kept +4 rows have the outcome of an earlier job\n/);
    const lines = (await readFile(output, 'utf8')).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(rows[0]!['origin_job_id'], '');
    assert.ok(rows.slice(1).every((row) => row['origin_job_id'] !== ''));
  });
});
