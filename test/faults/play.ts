import { FAULTS } from './faults.js';
import { checkBetween, checkEnd } from './check.js';
import { drawSchedule } from './schedule.js';
import { Storm, type StormOptions } from './storm.js';
import { Seeded } from '../support/seeded.js';
import { until } from '../support/site.js';

/**
 * Runs a job while faults strike, in an order that the seed fixes.
 * @param times how often each kind strikes. @param say is told what happens.
 * @throws where something does not hold that has to.
 */
export async function play(
  options: StormOptions & { times: number },
  say: (line: string) => void,
): Promise<void> {
  const begun = Date.now();
  const tell = (line: string) =>
    say(`${((Date.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${line}`);
  tell(`seed ${options.seed}: ${options.rows} rows, ${options.inFlight} in flight`);
  for (const lack of Storm.lacks) tell(lack);
  const storm = await Storm.open(options);
  // A disk stays mounted otherwise.
  const interrupted = () => void storm.close().finally(() => process.exit(130));
  for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    const waves = drawSchedule(new Seeded(options.seed), options.times);
    tell('a job, a server and three workers run');
    await until('rows end', async () => (await endedRows(storm)) >= 3, 120_000);
    for (const [n, wave] of waves.entries()) {
      // Spread over the job, as far as it takes that long.
      const due = (n / waves.length) * storm.free;
      await until(
        `${Math.floor(due)} rows have ended`,
        async () => (await endedRows(storm)) >= due,
        600_000,
      );
      await storm.agents.readStarts();
      await Promise.all(wave.map(async (kind) => tell(await FAULTS[kind](storm, storm.random()))));
      tell(`then ${await checkBetween(storm)}`);
    }
    for (const line of await checkEnd(storm)) tell(line);
  } catch (error) {
    tell(`failed, with seed ${options.seed}`);
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupted);
    await storm.close();
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

async function endedRows(storm: Storm): Promise<number> {
  return (await storm.job.status().catch(() => undefined))?.completed ?? 0;
}
