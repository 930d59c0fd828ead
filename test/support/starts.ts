import { readFile } from 'node:fs/promises';

/** Which agents have been started: each writes down its item and its process ID, which is its group's. */
export class Starts {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** What an agent of shell does for it. */
  get shell(): string {
    return `echo "$AGENT_JOBS_ITEM_ID $$" >>${this.#path}`;
  }

  async read(): Promise<{ itemId: string; pid: number }[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [itemId, pid] = line.split(' ') as [string, string];
        return { itemId, pid: Number(pid) };
      });
  }

  async perItem(): Promise<Map<string, number>> {
    const times = new Map<string, number>();
    for (const { itemId } of await this.read()) times.set(itemId, (times.get(itemId) ?? 0) + 1);
    return times;
  }
}
