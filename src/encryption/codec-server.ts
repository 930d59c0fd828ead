import { createHash, timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { UNDECRYPTABLE } from '../encrypted-payload.js';
import type { Keys } from './keys.js';
import { EncryptionCodec } from './payload-codec.js';

const { Payloads } = proto.temporal.api.common.v1;
/** A page of a history, in base64. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

export interface CodecServerOptions {
  keys: Keys;
  /** What callers have to know: as bearer token, or as a part of the path. */
  token: string;
  /** Where it listens. */
  host: string;
  /** 0: any that is free. */
  port: number;
  /** Of pages that may call it, as `http://localhost:8233`. */
  uiOrigins: string[];
}

export interface CodecServer {
  port: number;
  close(): Promise<void>;
}

/**
 * Temporal's protocol for remote codecs: `POST …/decode` and `…/encode` with `{ payloads }` as JSON. The
 * Temporal CLI sends the token as `Authorization: Bearer`. The Web UI sends what it has from its own login,
 * if that; so its address of the endpoint has the token in its path.
 * @throws what `listen` does, as where the port is taken.
 */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  const app = codecApp(options);
  const server = await new Promise<ServerType>((resolve, fail) => {
    const starting = serve(
      {
        fetch: app.fetch,
        hostname: options.host,
        port: options.port,
        serverOptions: { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
      },
      () => resolve(starting),
    );
    starting.once('error', fail);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function codecApp({ keys, token, host, uiOrigins }: CodecServerOptions): Hono {
  const codec = new EncryptionCodec(keys);
  const app = new Hono();
  app.use(async (context, next) => {
    const origin = context.req.header('origin');
    // A page must not get here by a name of its own that resolves to this host.
    const named = `http://${context.req.header('host')}`;
    if (isLoopback(host) && !(URL.canParse(named) && isLoopback(new URL(named).hostname))) {
      return refuse(context, 403, 'this host name is not served: use the address it listens at');
    }
    if (origin !== undefined && !uiOrigins.includes(origin)) {
      return refuse(
        context,
        403,
        `pages of ${origin} are not served: --ui-origin names those that are`,
      );
    }
    return next();
  });
  app.use(
    cors({
      origin: uiOrigins,
      allowMethods: ['POST'],
      allowHeaders: ['Authorization', 'Content-Type', 'X-Namespace'],
      credentials: true,
    }),
  );
  app.use(async (context, next) => {
    const bearer = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    const given = [...context.req.path.split('/').slice(0, -1), ...(bearer ? [bearer] : [])];
    if (given.some((each) => isSame(each, token))) return next();
    return refuse(context, 401, 'the token is missing or wrong');
  });
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) => refuse(context, 413, `the body is over ${MAX_BODY_BYTES} bytes`),
  });
  app.post('*', limit, async (context) => {
    const work = context.req.path.split('/').at(-1);
    if (work !== 'decode' && work !== 'encode') {
      return refuse(context, 404, 'there are …/decode and …/encode');
    }
    let payloads: Payload[];
    try {
      ({ payloads } = Payloads.fromObject((await context.req.json()) as object));
    } catch {
      return refuse(context, 400, 'the body must be {"payloads": […]} as JSON');
    }
    const done = work === 'encode' ? codec.encode(payloads) : codec.decode(payloads);
    const told = (await done).map(shown);
    return context.json(
      Payloads.toObject(Payloads.fromObject({ payloads: told }), { bytes: String }),
    );
  });
  return app;
}

/** The Web UI and the CLI know no payload that could not be decrypted. */
function shown(payload: Payload): Payload {
  if (Buffer.from(payload.metadata?.['encoding'] ?? []).toString() !== UNDECRYPTABLE)
    return payload;
  const why = `cannot be decrypted: ${Buffer.from(payload.data ?? []).toString()}`;
  return {
    metadata: { encoding: Buffer.from('json/plain') },
    data: Buffer.from(JSON.stringify(why)),
  };
}

function isSame(given: string, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}

function isLoopback(hostname: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]', '::1'].includes(hostname);
}

function refuse(context: Context, status: 400 | 401 | 403 | 404 | 413, error: string): Response {
  return context.json({ error }, status);
}
