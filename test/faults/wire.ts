/** Stretches of network on loopback that can be cut. */
import { once } from 'node:events';
import { type Server, type Socket, connect, createServer } from 'node:net';

/**
 * How a wire is cut.
 * - `silent`: nothing arrives any more, and nobody is told, as where a cable is pulled.
 * - `refused`: connections break, and no new ones are made.
 */
export type Cut = 'silent' | 'refused';

/** What a worker reaches its server by. */
export class Wire {
  /** Where it begins: `host:port`. */
  readonly address: string;
  /** Once somebody has connected. */
  readonly asked: Promise<unknown>;
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  /** Connections that were asked for while nothing arrived. */
  readonly #held = new Set<Socket>();
  #cut: Cut | undefined;

  /** @param to `host:port`. */
  static async to(to: string): Promise<Wire> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new Wire(server, Number(to.split(':').at(-1)));
  }

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.asked = once(server, 'connection');
    const address = server.address() as { port: number };
    this.address = `127.0.0.1:${address.port}`;
    server.on('connection', (from: Socket) => {
      from.on('error', () => from.destroy());
      if (this.#cut === 'refused') from.destroy();
      else if (this.#cut === 'silent') this.#held.add(from.pause());
      else this.#join(from, port);
    });
    this.#joinHeld = () => {
      for (const from of this.#held) this.#join(from, port);
      this.#held.clear();
    };
  }

  readonly #joinHeld: () => void;

  cut(how: Cut): void {
    this.#cut = how;
    for (const [from, to] of this.#pairs) {
      if (how === 'refused') {
        from.destroy();
        to.destroy();
        continue;
      }
      from.unpipe(to).pause();
      to.unpipe(from).pause();
    }
  }

  mend(): void {
    const was = this.#cut;
    this.#cut = undefined;
    if (was !== 'silent') return;
    for (const [from, to] of this.#pairs) from.pipe(to).pipe(from);
    this.#joinHeld();
  }

  close(): void {
    this.#server.close().unref();
    for (const end of [...this.#held, ...[...this.#pairs].flat()]) end.destroy();
  }

  #join(from: Socket, port: number): void {
    const to = connect(port, '127.0.0.1');
    const pair: [Socket, Socket] = [from, to];
    this.#pairs.add(pair);
    to.on('error', () => to.destroy());
    for (const [one, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
    from.pipe(to).pipe(from);
  }
}

/** Brings requests to where their `Host` header says, and closes when the first byte of the answer comes. */
export class AnswerCutter {
  readonly address: string;
  /** Answers that nobody got. */
  cut = 0;
  readonly #server: Server;

  static async listen(): Promise<AnswerCutter> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new AnswerCutter(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on('connection', (from: Socket) => {
      let head = '';
      from.on('error', () => from.destroy());
      from.on('data', (chunk: Buffer) => {
        head += chunk.toString('latin1');
        const host = /^host: *(\S+):(\d+)\r$/im.exec(head);
        if (host === null) return;
        from.removeAllListeners('data').pause();
        const to = connect(Number(host[2]), host[1]!);
        to.on('error', () => to.destroy());
        to.once('data', () => {
          this.cut += 1;
          to.destroy();
        });
        to.on('close', () => from.destroy());
        from.on('close', () => to.destroy());
        to.write(head, 'latin1');
        from.pipe(to, { end: false });
      });
    });
  }

  close(): void {
    this.#server.close().unref();
  }
}
