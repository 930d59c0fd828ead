/**
 * `npm run test:faults [-- --seed N] [--jobs N] [--rows N] [--times N]`: jobs of 2,000 rows while workers,
 * agents, server, network and disk fail, by schedules that their seeds fix. docs/reliability.md says what holds.
 */
import { parseArgs } from 'node:util';
import { quietRuntime } from '../support/site.js';
import { play } from './play.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    rows: { type: 'string', default: '2000' },
    times: { type: 'string', default: '3' },
  },
});
const first = values.seed === undefined ? Math.floor(Math.random() * 1e6) : Number(values.seed);
quietRuntime();
for (let n = 0; n < Number(values.jobs); n += 1) {
  await play(
    {
      seed: first + n,
      rows: Number(values.rows),
      inFlight: 32,
      seconds: [1, 8],
      times: Number(values.times),
    },
    (line) => console.log(line),
  );
}
