/** A network of its own on one machine (Linux, root): hosts in network namespaces on one bridge. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type Server, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Which subnets are tried; each has a bridge at `.1`. */
const TRIES = 20;

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export class Network {
  /** Of the bridge, where all hosts reach what is forwarded to them. */
  readonly address: string;
  readonly #subnet: string;
  readonly #bridge = `aj${process.pid}`;
  readonly #hosts: string[] = [];
  readonly #forwarders: Server[] = [];

  /** Why there can be none here, for a test to be skipped; false where there can. */
  static get unavailable(): string | false {
    if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
    if (process.getuid!() !== 0) return 'not root, as it takes to make network namespaces';
    try {
      ip('-V');
    } catch {
      return 'there is no "ip" (of iproute2)';
    }
    const probe = `aj${process.pid}-probe`;
    try {
      ip('netns', 'add', probe);
      ip('-n', probe, 'link', 'add', 'probe', 'type', 'bridge');
      return false;
    } catch (error) {
      return `no network namespace or bridge can be made: ${(error as Error).message}`;
    } finally {
      quietly(() => ip('netns', 'delete', probe));
    }
  }

  constructor() {
    this.#subnet = unusedSubnet();
    this.address = `${this.#subnet}.1`;
    ip('link', 'add', this.#bridge, 'type', 'bridge');
    ip('address', 'add', `${this.address}/24`, 'dev', this.#bridge);
    ip('link', 'set', this.#bridge, 'up');
  }

  /** Adds a host. @returns the command that runs another on it. */
  host(name: string): string[] {
    const namespace = this.#namespace(name);
    const number = this.#hosts.push(namespace) + 1;
    const end = `${this.#bridge}-${number}`;
    ip('netns', 'add', namespace);
    ip('link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('link', 'set', end, 'master', this.#bridge, 'up');
    ip('-n', namespace, 'address', 'add', `${this.#subnet}.${number}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    // Agents report to their worker on loopback.
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    return ['ip', 'netns', 'exec', namespace];
  }

  /** Takes a host off the network, or brings it back. */
  link(name: string, state: 'up' | 'down'): void {
    ip('-n', this.#namespace(name), 'link', 'set', 'eth0', state);
  }

  /** Has hosts reach what listens on loopback here. @param address `host:port`. @returns the same for them. */
  async forward(address: string): Promise<string> {
    const port = Number(address.split(':').at(-1));
    const forwarder = createServer((from) => {
      const to = connect(port, '127.0.0.1');
      for (const end of [from, to]) end.on('error', () => from.destroy() && to.destroy());
      from.pipe(to).pipe(from);
    });
    this.#forwarders.push(forwarder);
    await once(forwarder.listen(port, this.address), 'listening');
    return `${this.address}:${port}`;
  }

  /** To be called in the tests' `after`. */
  remove(): void {
    for (const forwarder of this.#forwarders) forwarder.close().unref();
    for (const namespace of this.#hosts) quietly(() => ip('netns', 'delete', namespace));
    quietly(() => ip('link', 'delete', this.#bridge));
  }

  #namespace(name: string): string {
    return `${this.#bridge}-${name}`;
  }
}

/** One that no interface of this machine is in. */
function unusedSubnet(): string {
  const used = Object.values(networkInterfaces()).flatMap((all) => all!.map((one) => one.address));
  for (let n = 0; n < TRIES; n += 1) {
    const subnet = `10.${200 + ((process.pid + n) % 50)}.${process.pid % 250}`;
    if (!used.some((address) => address.startsWith(`${subnet}.`))) return subnet;
  }
  throw new Error('no subnet of 10.200.0.0 to 10.249.0.0 is free');
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It was not made, or is gone.
  }
}
