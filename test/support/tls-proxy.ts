/** What stands before a Temporal server in production: it speaks TLS, asks for certificates, and sees who asks. */
import { readFileSync } from 'node:fs';
import {
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Stream,
  connect,
  createSecureServer,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Certificate } from './certificates.js';

export interface TlsProxy {
  port: number;
  /** The `authorization` headers that have come, by who sent them (as the client names itself). */
  authorizations: Map<string, Set<string>>;
  close(): void;
}

/**
 * @param target where the server is, as `127.0.0.1:7233`.
 * @param own.clientCa of the certificates that clients must have; undefined: they need none.
 */
export async function startTlsProxy(
  target: string,
  own: { certificate: Certificate; clientCa?: string | undefined },
): Promise<TlsProxy> {
  const authorizations: TlsProxy['authorizations'] = new Map();
  const options: SecureServerOptions = {
    cert: readFileSync(own.certificate.cert),
    key: readFileSync(own.certificate.key),
    ...(own.clientCa !== undefined && {
      ca: readFileSync(own.clientCa),
      requestCert: true,
      rejectUnauthorized: true,
    }),
  };
  const server = createSecureServer(options);
  server.on('session', (session) => {
    const upstream = connect(`http://${target}`);
    upstream.on('error', () => session.destroy());
    session.on('error', () => {});
    session.on('close', () => upstream.destroy());
    session.on('stream', (stream, headers) => {
      const client = String(headers['user-agent'] ?? '').split('/')[0]!;
      const known = authorizations.get(client) ?? new Set();
      authorizations.set(client, known.add(String(headers.authorization)));
      forward(stream, upstream.request({ ...headers, ':scheme': 'http', ':authority': target }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    authorizations,
    close: () => void server.close(),
  };
}

function forward(
  stream: ServerHttp2Stream,
  request: ReturnType<ReturnType<typeof connect>['request']>,
) {
  let trailers: IncomingHttpHeaders = {};
  stream.pipe(request);
  request.on('trailers', (given) => (trailers = given));
  request.on('response', (headers) => {
    if (stream.destroyed) return;
    // A refusal has no body, and its status among the headers.
    const endStream = headers['grpc-status'] !== undefined;
    stream.respond(headers, { waitForTrailers: !endStream, endStream });
    if (!endStream) request.pipe(stream);
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('aborted', () => request.close());
  for (const each of [stream, request]) each.on('error', () => {});
}
