/** The agents of a job under faults: what they have noted, and whose processes are there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LiveProcess, processesWith } from './live-processes.js';
import { forgetClocks } from './rows.js';

/** A run of an agent whose processes are there. */
interface LiveAgent {
  item: string;
  group: number;
  token: string;
  /** The process that started it; undefined where the agent has not noted that yet. */
  worker: number | undefined;
}

interface Start {
  item: string;
  pid: number;
  /** The process that started it. */
  worker: number;
  /** What tells its run from all others. */
  token: string;
}

export class Agents {
  /** What agents have noted at their start, in that order, as far as it was read. */
  starts: Start[] = [];
  readonly #jobId: string;
  readonly #folder: string;
  readonly #temporary: string;
  readonly #kills = new Map<string, number>();

  /** @param temporary is the agents' folder for that, and nobody else's. */
  constructor(jobId: string, { folder, temporary }: { folder: string; temporary: string }) {
    this.#jobId = jobId;
    this.#folder = folder;
    this.#temporary = temporary;
  }

  /** Those whose processes are there. */
  live(): LiveAgent[] {
    const runs = new Map<string, LiveProcess>();
    for (const process of processesWith(`AGENT_JOBS_JOB_ID=${this.#jobId}`)) {
      // Another job of this name may run on the machine.
      if (process.env.get('TMPDIR') !== this.#temporary) continue;
      const token = process.env.get('AGENT_JOBS_REPORT_TOKEN')!;
      if (!runs.has(token) || process.pid === process.group) runs.set(token, process);
    }
    return [...runs].map(([token, { group, env }]) => {
      const worker = this.starts.find((start) => start.token === token)?.worker;
      return { item: env.get('AGENT_JOBS_ITEM_ID')!, group, token, worker };
    });
  }

  async readStarts(): Promise<void> {
    this.starts = (await this.#lines('starts')).map((line) => {
      const [item, pid, worker, token] = line.split(' ') as [string, string, string, string];
      return { item, pid: Number(pid), worker: Number(worker), token };
    });
  }

  /** What those were answered whose first answer was cut off: `FIRST, SECOND`. */
  answers(): Promise<string[]> {
    return this.#lines('answers');
  }

  noteKill(item: string): void {
    this.#kills.set(item, this.killsOf(item) + 1);
  }

  killsOf(item: string): number {
    return this.#kills.get(item) ?? 0;
  }

  /** Removes what those have left that were killed. */
  async forget(): Promise<void> {
    await this.readStarts();
    await forgetClocks(this.starts.map(({ pid }) => pid));
  }

  async #lines(name: string): Promise<string[]> {
    const text = await readFile(join(this.#folder, name), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }
}
