/** The port of an address on this machine where a dev server can serve; undefined for another one. */
export function loopbackPort(address: string): number | undefined {
  const port = /^(?:localhost|127\.0\.0\.1):(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
}

export function isLoopback(address: string): boolean {
  return loopbackPort(address) !== undefined;
}
