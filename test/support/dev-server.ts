import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { dataConverter } from '../../src/data-converter.js';
import { freePort } from './free-port.js';
import { ROOT, temporalCli, until } from './site.js';

/** `temporal-dev.sh` in the foreground: a server on a file and a port that outlast it. */
export class DevServer {
  readonly address: string;
  readonly #env: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;
  #log = '';

  static async start(folder: string): Promise<DevServer> {
    const server = new DevServer(folder, await freePort(), await freePort());
    await server.start();
    return server;
  }

  private constructor(folder: string, port: number, uiPort: number) {
    this.address = `127.0.0.1:${port}`;
    this.#env = {
      ...process.env,
      TEMPORAL_CLI: temporalCli(),
      TEMPORAL_DEV_PORT: String(port),
      TEMPORAL_DEV_UI_PORT: String(uiPort),
      TEMPORAL_DEV_DB: join(folder, 'dev.db'),
    };
  }

  /** Starts it, again on the same file; returns when it serves and is set up. */
  async start(): Promise<void> {
    const server = spawn(join(ROOT, 'temporal-dev.sh'), [], {
      env: this.#env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = server;
    const before = this.#log.length;
    server.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    await until(
      'the server serves',
      () => {
        const said = this.#log.slice(before);
        if (server.exitCode !== null) throw new Error(`the server has ended: ${said}`);
        return said.includes('The Temporal server serves.');
      },
      90_000,
    );
  }

  /** Its process: the script becomes the server. */
  get pid(): number {
    return this.#process!.pid!;
  }

  /** What it has said so far, with its warnings, over all its starts. */
  get log(): string {
    return this.#log;
  }

  /** `kill -9`; returns when it is gone. */
  async kill(): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null) return;
    server.kill('SIGKILL');
    if (server.signalCode === null) await once(server, 'exit');
  }

  /** Has it end in order; returns when it has. */
  async stop(): Promise<void> {
    this.#process?.kill('SIGTERM');
    if (this.#process !== undefined) await once(this.#process, 'exit');
    this.#process = undefined;
  }

  /** A client that does not outlive the server that it was made for. */
  async client(): Promise<Client> {
    return new Client({
      connection: await Connection.connect({ address: this.address }),
      namespace: 'default',
      dataConverter,
    });
  }
}
