import type { BlobStore } from './blob-store.js';

/** Which run of an agent something is of. */
export interface RunNumbers {
  row_index: number;
  /** 1, and one more for each time that an operator has had the item retried. Default: 1. */
  generation?: number;
  attempt: number;
  run: number;
}

/** The end of what one run of an agent printed, standard output and error as they came. */
export interface RunLog extends Required<Omit<RunNumbers, 'row_index'>> {
  text: string;
}

/** What the agents of a job printed: `<row>.<attempt>.<run>.txt`, as {@link runName} has it, of each run. */
export class RunLogs {
  readonly #blobs: BlobStore;
  readonly #prefix: string;

  constructor(blobs: BlobStore, prefix: string) {
    this.#blobs = blobs;
    this.#prefix = prefix;
  }

  async save(run: RunNumbers, text: string): Promise<void> {
    await this.#blobs.put(this.#key(run), text);
  }

  /** What one run printed; undefined where it has left no log. */
  async one(run: RunNumbers): Promise<string | undefined> {
    return this.#blobs.get(this.#key(run));
  }

  /** What the runs of a row printed, first run first. */
  async ofRow(rowIndex: number): Promise<RunLog[]> {
    // Not all of the job's: there are as many as it has had runs.
    const runs = await this.#list(`${rowIndex}.`);
    runs.sort(byAge);
    return Promise.all(
      runs.map(async (numbers) => {
        const { generation, attempt, run } = numbers;
        return { generation, attempt, run, text: (await this.one(numbers)) ?? '' };
      }),
    );
  }

  /** The last run of each row below `total` that has left a log, for reading those of a whole job. */
  async lastRuns(total: number): Promise<Map<number, RunNumbers>> {
    const last = new Map<number, Required<RunNumbers>>();
    for (const numbers of await this.#list('')) {
      const before = last.get(numbers.row_index);
      const newer = before === undefined || byAge(before, numbers) < 0;
      if (numbers.row_index < total && newer) last.set(numbers.row_index, numbers);
    }
    return last;
  }

  async #list(begin: string): Promise<Required<RunNumbers>[]> {
    const keys = await this.#blobs.list(this.#prefix + begin);
    return keys.map((key) => numbersOf(key.slice(this.#prefix.length)));
  }

  #key(run: RunNumbers): string {
    return `${this.#prefix}${runName(run)}.txt`;
  }
}

/** `<row>.<attempt>.<run>`, of later generations with that behind. */
export function runName({ row_index, generation, attempt, run }: RunNumbers): string {
  return [row_index, attempt, run, ...later(generation)].join('.');
}

/** The part of a name that only later generations have. */
export function later(generation = 1): number[] {
  return generation === 1 ? [] : [generation];
}

function numbersOf(name: string): Required<RunNumbers> {
  const numbers = name.split('.').slice(0, -1).map(Number);
  const [row_index, attempt, run, generation = 1] = numbers as [number, number, number, number?];
  return { row_index, generation, attempt, run };
}

function byAge(a: Required<RunNumbers>, b: Required<RunNumbers>): number {
  return a.generation - b.generation || a.run - b.run;
}
