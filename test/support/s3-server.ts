/** A real S3 server, versitygw, on a folder. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.js';
import { ROOT, until } from './site.js';

const VERSION = '1.8.0';
const CACHE = join(ROOT, '.cache', `versitygw-${VERSION}`);
const KEY = 'test-access-key';
const SECRET = 'test-secret-key';

export class S3Server {
  readonly endpoint: string;
  /** Where its buckets are. */
  readonly folder: string;
  readonly #program: string;
  readonly #port: number;
  #process: ChildProcess | undefined;
  static readonly #all = new Set<S3Server>();

  /** @param buckets there from the start. */
  static async start(folder: string, buckets: string[]): Promise<S3Server> {
    const data = join(folder, 's3');
    for (const bucket of buckets) await mkdir(join(data, bucket), { recursive: true });
    const server = new S3Server(await installed(), data, await freePort());
    this.#all.add(server);
    await server.start();
    return server;
  }

  private constructor(program: string, folder: string, port: number) {
    this.#program = program;
    this.folder = folder;
    this.#port = port;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts it, again on the same port and folder. */
  async start(): Promise<void> {
    const address = `127.0.0.1:${this.#port}`;
    const server = spawn(this.#program, ['--port', address, '--quiet', 'posix', this.folder], {
      env: { ...process.env, ROOT_ACCESS_KEY: KEY, ROOT_SECRET_KEY: SECRET },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = server;
    let said = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    }
    await until('the S3 server listens', () => {
      if (server.exitCode !== null) throw new Error(`it has ended: ${said}`);
      return listens(this.#port);
    });
  }

  /** What a process needs to reach it: the standard variables of the AWS SDK. */
  get env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.endpoint,
      AWS_ACCESS_KEY_ID: KEY,
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** It takes connections, and answers nothing until it goes on. */
  hang(): void {
    this.#process?.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process?.kill('SIGCONT');
  }

  /** `kill -9`; returns when it is gone. */
  async kill(): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  }

  /** To be called in the tests' `after`. */
  static async killAll(): Promise<void> {
    await Promise.all([...this.#all].map((server) => server.kill()));
  }
}

/** @returns the program, built where it is not there yet. */
async function installed(): Promise<string> {
  const program = join(CACHE, 'versitygw');
  if (existsSync(program)) return program;
  await mkdir(CACHE, { recursive: true });
  // Two test files may build it at once: each for itself, and nobody sees half a program.
  const partial = await mkdtemp(join(CACHE, 'partial-'));
  const env: NodeJS.ProcessEnv = { ...process.env, GOBIN: partial };
  delete env['GOOS'];
  delete env['GOARCH'];
  try {
    console.error(`Installing versitygw ${VERSION} with "go install" (once; some minutes) …`);
    const source = `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`;
    await promisify(execFile)('go', ['install', source], { env });
    await rename(join(partial, 'versitygw'), program);
  } catch (error) {
    throw new Error(
      `the S3 server of the tests could not be built: install Go (https://go.dev/dl), or put versitygw ${VERSION} at ${program}`,
      { cause: error },
    );
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return program;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
