import { once } from 'node:events';
import { connect } from 'node:net';

/** The port of an address on this machine where a dev server can serve; undefined for another one. */
export function loopbackPort(address: string): number | undefined {
  const port = /^(?:localhost|127\.0\.0\.1):(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
}

export function isLoopback(address: string): boolean {
  return loopbackPort(address) !== undefined;
}

/** Whether something takes connections on a port of this machine. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
