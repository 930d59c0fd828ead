/** Whether what a long job takes stays as it is once it has warmed up. */
import type { Sample } from './samples.js';

/** What was, what is, and how much more than was would still be flat. */
export interface Growth {
  name: keyof Sample | 'database_per_row';
  early: number;
  late: number;
  most: number;
}

const MB = 1_000_000;
/** Figures that have to be flat: by how much of what was they may grow, and by how much in any case. */
const FLAT: [name: keyof Sample, share: number, least: number][] = [
  ['worker_memory', 0.2, 40 * MB],
  ['worker_handles', 0.1, 10],
  ['worker_threads', 0, 2],
  ['processes', 0.25, 4],
  ['remains', 0, 3],
  // It keeps histories in memory, up to a number of them that short jobs do not reach.
  ['server_memory', 0.5, 100 * MB],
  ['server_handles', 0.1, 20],
  ['notes', 0.25, 4],
  ['folders', 0.25, 4],
];
/** The database keeps what has happened: what each row adds must not become more. */
const DATABASE_SHARE = 0.25;
const FEWEST = 8;

/**
 * Compares the second quarter of the rows, when all has warmed up, with the last one.
 * @throws where there are too few samples to say anything.
 */
export function growth(samples: Sample[]): Growth[] {
  if (samples.length < FEWEST) throw new Error(`${samples.length} samples tell nothing`);
  const quarter = Math.floor(samples.length / 4);
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  const perRow = [early, late].map((part) => {
    const [first, last] = [part[0]!, part.at(-1)!];
    return (last.database - first.database) / Math.max(1, last.rows - first.rows);
  }) as [number, number];
  return [
    ...FLAT.map(([name, share, least]): Growth => {
      const was = median(early.map((sample) => sample[name]));
      const is = median(late.map((sample) => sample[name]));
      return { name, early: was, late: is, most: was + Math.max(share * was, least) };
    }),
    {
      name: 'database_per_row',
      early: perRow[0],
      late: perRow[1],
      most: perRow[0] * (1 + DATABASE_SHARE),
    },
  ];
}

export function isFlat({ late, most }: Growth): boolean {
  return late <= most;
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
