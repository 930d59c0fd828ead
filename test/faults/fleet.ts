/** The workers of a job under faults: each reaches the server by a wire of its own, and is started again. */
import type { Seeded } from '../support/seeded.js';
import { WorkerProcess } from '../support/worker-process.js';
import { Wire } from './wire.js';

/** What is there: two that do everything, and one that only has agents and the endpoint they report to. */
const SLOTS = [
  ['one', []],
  ['two', []],
  ['agents', ['--role', 'agents']],
] as const;
export type SlotName = (typeof SLOTS)[number][0];

/** The place of a worker. */
export class Slot {
  readonly name: SlotName;
  readonly wire: Wire;
  readonly #env: NodeJS.ProcessEnv;
  readonly #args: string[];
  readonly #cwd: string;
  #worker: WorkerProcess | undefined;

  constructor(
    name: SlotName,
    wire: Wire,
    { env, cwd, args }: { env: NodeJS.ProcessEnv; cwd: string; args: string[] },
  ) {
    this.name = name;
    this.wire = wire;
    this.#env = { ...env, TEMPORAL_ADDRESS: wire.address };
    this.#cwd = cwd;
    this.#args = args;
  }

  /** The worker that is there. */
  get worker(): WorkerProcess {
    return this.#worker!;
  }

  async start(): Promise<void> {
    this.#worker = await WorkerProcess.restart(this.#env, { cwd: this.#cwd, args: this.#args });
  }
}

export class Fleet {
  readonly slots: readonly Slot[];
  readonly #free: Slot[];

  /** @param server its address. */
  static async start(
    server: string,
    env: NodeJS.ProcessEnv,
    { cwd, concurrency }: { cwd: string; concurrency: number },
  ): Promise<Fleet> {
    const fleet = new Fleet(
      await Promise.all(
        SLOTS.map(async ([name, role]) => {
          const args = ['--concurrency', String(concurrency), '--drain-seconds', '1', ...role];
          return new Slot(name, await Wire.to(server), { env, cwd, args });
        }),
      ),
    );
    await Promise.all(fleet.slots.map((slot) => slot.start()));
    return fleet;
  }

  private constructor(slots: Slot[]) {
    this.slots = slots;
    this.#free = [...slots];
  }

  /** One that no other fault has to do with; to be given back. */
  take(random: Seeded, role?: SlotName): Slot {
    const fitting = this.#free.filter(({ name }) => role === undefined || name === role);
    const slot = fitting[random.between(0, fitting.length - 1)];
    if (slot === undefined) throw new Error(`no worker is free for a fault: ${role ?? 'any'}`);
    this.#free.splice(this.#free.indexOf(slot), 1);
    return slot;
  }

  giveBack(slot: Slot): void {
    this.#free.push(slot);
  }

  /** Ends all in order. @returns the exit code of each. */
  async end(): Promise<[SlotName, number | null][]> {
    for (const { worker } of this.slots) worker.signal('SIGTERM');
    return Promise.all(
      this.slots.map(
        async ({ name, worker }) => [name, await worker.ended] as [SlotName, number | null],
      ),
    );
  }

  close(): void {
    for (const { wire } of this.slots) wire.close();
  }
}
