/**
 * `npm run bench`: measures against the bare minimum on the same server. After each section, it writes what
 * there is so far: `RESULTS.md`, `results.json`, and `chart.svg`.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { clip } from '../src/job.js';
import type { Curve } from './chart.js';
import { type Figure, Results, SECTIONS, type Section, shown } from './results.js';
import { FULL, MEASURES, SHORT } from './sections.js';
import { BenchSite } from './site.js';
import { barePass, ourPass } from './throughput.js';

const HELP = `npm run bench -- [--short] [--only SECTION,…] [--output FOLDER]

  --short   each figure once, with few rows: for the shape of what comes out, which is kept only in --output
  --only    these sections alone, of ${SECTIONS.join(', ')};
            those that were measured before stay in the results
  --output  where the results go (default: bench)

BENCH_ROWS (1000) and BENCH_MANY_ROWS (100000, which takes an hour) are the rows of the full form.`;

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    output: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const size = options.short ? SHORT : FULL;
const wanted = sectionsOf(options.only);
const folder =
  options.output ?? (options.short ? undefined : fileURLToPath(new URL('.', import.meta.url)));
const results = await Results.open(folder, options.only !== undefined);

let site: Promise<BenchSite> | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closed().finally(() => process.exit(1)));
}

let failed = false;
for (const section of wanted) await measure(section);
await closed();
console.log(`\n${await results.text()}`);
// Whatever still waits for what has failed is not waited for.
process.exit(failed ? 1 : 0);

async function opened(): Promise<BenchSite> {
  if (site !== undefined) return site;
  site = BenchSite.open();
  const opened = await site;
  // What is done first of all is not what is measured.
  const warm = options.short ? 16 : 64;
  await barePass(opened, warm, 64);
  await ourPass(opened, warm, 64);
  return opened;
}

/** Ends all that was started, also while it still starts. */
async function closed(): Promise<void> {
  const opened = await site?.catch(() => undefined);
  site = undefined;
  await opened?.close();
}

async function measure(section: Section): Promise<void> {
  const figures: Figure[] = [];
  let curve: Curve | undefined;
  const soFar = () => ({ figures, ...(curve && { curve }) });
  const tell = (figure: Figure) => {
    figures.push(figure);
    console.log(`${figure.what}: ${shown(figure)} (target: ${figure.target})`);
  };
  const keep = async (reached: Curve) => {
    curve = reached;
    const { rows = 0, rowsPerSecond = 0 } = reached.points.at(-1) ?? {};
    const failure = `ended after ${rows} of ${reached.rows} rows, at ${rowsPerSecond.toFixed(1)} rows/s`;
    await results.keep(section, { ...soFar(), failure });
  };
  try {
    await MEASURES[section]({ site: await opened(), size, tell, keep });
    await results.keep(section, soFar());
  } catch (error) {
    failed = true;
    const reason = whatFailed(error);
    console.error(`${section} failed: ${reason}`);
    await results.keep(section, { ...soFar(), failure: clip(reason.replaceAll('\n', ' '), 300) });
    // What it has left running is not to be measured with the next.
    await closed();
  }
}

/** With its cause: the client tells in that what the server said. */
function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${whatFailed(error.cause)}`;
}

function sectionsOf(only: string | undefined): Section[] {
  const names = only?.split(',') ?? SECTIONS.filter((name) => !(options.short && name === 'codex'));
  for (const name of names) {
    if (!SECTIONS.some((section) => section === name)) {
      console.error(`There is no section ${name}. There are: ${SECTIONS.join(', ')}`);
      process.exit(2);
    }
  }
  return SECTIONS.filter((section) => names.includes(section));
}
