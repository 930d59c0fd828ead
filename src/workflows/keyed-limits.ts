/** How many rows of the same value of a column are in flight, by the keys of rows: a hash for each column. */
export class KeyedLimits {
  readonly #columns: { name: string; most: number; inFlight: Map<string, number> }[];
  readonly #keys = new Map<number, string[]>();

  constructor(limits: { [column: string]: number }) {
    this.#columns = Object.entries(limits).map(([name, most]) => ({
      name,
      most,
      inFlight: new Map(),
    }));
  }

  admits(keys: string[]): boolean {
    return this.#columns.every(({ most, inFlight }, n) => (inFlight.get(keys[n]!) ?? 0) < most);
  }

  /** Counts a row as in flight. */
  take(rowIndex: number, keys: string[]): void {
    this.#keys.set(rowIndex, keys);
    this.#count(keys, 1);
  }

  /** Counts a row as in flight no more. @returns its keys; undefined where it was not. */
  release(rowIndex: number): string[] | undefined {
    const keys = this.#keys.get(rowIndex);
    if (keys === undefined) return undefined;
    this.#keys.delete(rowIndex);
    this.#count(keys, -1);
    return keys;
  }

  /** For people. */
  toString(): string {
    return this.#columns.map(({ name, most }) => `${name}=${most}`).join(', ');
  }

  #count(keys: string[], by: number): void {
    for (const [n, { inFlight }] of this.#columns.entries()) {
      const count = (inFlight.get(keys[n]!) ?? 0) + by;
      if (count === 0) inFlight.delete(keys[n]!);
      else inFlight.set(keys[n]!, count);
    }
  }
}
