/** What a job may spend. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ControlRefused, type JobSpec, SpecError } from '../src/client.js';
import { itemsOf } from './support/chain.js';
import { standIn } from './support/claude.js';
import { cli } from './support/cli.js';
import { lightSpec } from './support/light-agent.js';
import { Site, until } from './support/site.js';

let site: Site;
let leave: () => void;
before(async () => {
  site = await Site.open({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  // Its prompt says what it costs, if anything, and for which file it waits.
  leave = await standIn(
    site,
    `sleep 0.1
    gate=$(sed -n 's/^gate=//p' <<<"$prompt")
    while [ -n "$gate" ] && [ ! -e "$gate" ]; do sleep 0.02; done
    report 1
    cost=$(sed -n 's/^cost=//p' <<<"$prompt")
    usage='"usage":{"input_tokens":900,"output_tokens":100}'
    [ -z "$cost" ] || echo '{"type":"result","total_cost_usd":'$cost','$usage'}'`,
  );
  await site.worker();
});
after(async () => {
  leave();
  await site.close();
});

async function spec(prompts: string[], more: Partial<JobSpec>): Promise<JobSpec> {
  const name = `budget-${Math.random().toString(36).slice(2, 10)}.jsonl`;
  const rows = prompts.map((prompt, n) => JSON.stringify({ id: `r${n}`, prompt }));
  return {
    csv_path: await site.file(name, `${rows.join('\n')}\n`),
    id_column: 'id',
    instruction: '{prompt}',
    agent: { preset: 'claude' },
    report_grace_seconds: 0,
    ...more,
  };
}

const rows = (count: number, prompt: string) => Array.from({ length: count }, () => prompt);

describe('a budget', { concurrency: 3 }, () => {
  it('stops the job before it is spent, as far as the rows so far tell', async () => {
    const job = await site.jobs.start(
      await spec(rows(20, 'cost=0.1'), { max_cost_usd: 1.05, max_concurrency: 8 }),
    );
    const summary = await job.result();
    const { verdict, completed, pending, stop_reason, usage } = summary;
    assert.deepEqual([verdict, completed, pending], ['stopped', 10, 10]);
    assert.equal(stop_reason, 'budget: $1.00 of $1.05 spent, and a row takes $0.1000 on average');
    assert.equal(usage?.cost_usd, 1);
    const items = await itemsOf(site.client, job.jobId);
    const firstEnd = Math.min(...items.map(({ closeTime }) => closeTime!.getTime()));
    const first = items.filter(({ startTime }) => startTime.getTime() < firstEnd);
    assert.equal(first.length, 4, 'before it is known what a row costs');
  });

  it('is that of tokens, and can be raised while rows run', async () => {
    const gate = join(site.folder, 'goes');
    const prompts = [...rows(3, 'cost=0'), `cost=0\ngate=${gate}`, ...rows(6, 'cost=0')];
    const job = await site.jobs.start(
      await spec(prompts, { max_tokens: 3000, max_concurrency: 4 }),
      { jobId: 'tokens' },
    );
    const status = await until(
      'three are done',
      async () => {
        const now = await job.status();
        return now.completed === 3 && now;
      },
      60_000,
    );
    assert.deepEqual([status.state, status.running], ['stopping', 1]);
    assert.equal(status.stop_reason, 'budget: 3000 tokens of 3000 tokens spent');
    await assert.rejects(job.resume(), /starts no more rows, budget: 3000 tokens of 3000 tokens/);
    const shown = await cli(['status', 'tokens'], { env: site.processEnv });
    assert.match(shown.stdout, /usage +2700 tokens in, 300 out[^]*budget +3000 tokens/);
    const set = await cli(['set', 'tokens', '--max-tokens', '8000'], { env: site.processEnv });
    assert.equal(set.stdout, 'Job tokens goes on with max_tokens 8000.\n');
    await until('others are done', async () => (await job.status()).completed === 7);
    await site.file('goes', '');
    const { verdict, completed, pending, stop_reason } = await job.result();
    assert.deepEqual([verdict, completed, pending], ['stopped', 8, 2]);
    assert.equal(stop_reason, 'budget: 8000 tokens of 8000 tokens spent');
  });

  it('stops the job where rows do not tell what they take', async () => {
    const job = await site.jobs.start(
      await spec(rows(10, 'nothing'), { max_cost_usd: 1, max_concurrency: 8 }),
    );
    const { verdict, completed, stop_reason } = await job.result();
    assert.deepEqual([verdict, completed], ['stopped', 4]);
    assert.equal(stop_reason, 'budget: none of the first 4 rows has told what it cost');
  });

  it('says nothing where it is spent with the last row', async () => {
    const job = await site.jobs.start(await spec(rows(2, 'cost=0.5'), { max_cost_usd: 1 }));
    const { verdict, stop_reason } = await job.result();
    assert.deepEqual([verdict, stop_reason], ['succeeded', null]);
  });
});

it('is refused where the agent does not tell what it takes', async () => {
  const command = await lightSpec(site, { a: 'sleep 60' });
  await assert.rejects(site.jobs.start({ ...command, max_cost_usd: 1 }), (error) => {
    assert.ok(error instanceof SpecError);
    assert.match(error.message, /^max_cost_usd: what its agents cost is not known to the job/);
    return true;
  });
  const codex = { ...command, agent: { preset: 'codex' as const }, max_cost_usd: 1 };
  await assert.rejects(site.jobs.start(codex), /Codex tells its tokens: give max_tokens/);
  const typed = await cli(
    ['run', command.csv_path, '--instruction', 'x', '--max-tokens', '5', '--', 'true'],
    { env: site.processEnv },
  );
  assert.equal(typed.code, 2);
  assert.match(typed.stderr, /--max-tokens: what its agents use is not known/);
  const job = await site.jobs.start(command);
  await until('it runs', async () => (await job.status()).running === 1);
  await assert.rejects(job.set({ max_tokens: 5 }), (error) => {
    assert.ok(error instanceof ControlRefused);
    assert.match(error.message, /max_tokens: what its agents use is not known to the job/);
    return true;
  });
  await job.cancel();
  await job.result();
});
