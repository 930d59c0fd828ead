import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { refusal } from '../report-message.js';
import { reportMcpHandler } from './report-server.js';
import type { RunReports } from './run-reports.js';

const REPORT_PATH = '/report';
const MCP_PATH = '/mcp';
/** JSON may escape each byte of a result with six; larger bodies are not read. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** A request that does not come to its end is no report. */
const REQUEST_TIMEOUT_MS = 30_000;
const STATUS = { invalid: 422, conflict: 409, undelivered: 503 } as const;

/**
 * Where agents of this worker report, on loopback and with the bearer token of their run:
 * `POST /report` with `{ result, stop? }` answers `{ accepted, duplicate?, errors? }`; `/mcp` is an MCP
 * server over streamable HTTP with the tool `report_agent_job_result`.
 */
export class ReportEndpoint {
  readonly url: string;
  readonly mcpUrl: string;
  readonly #server: ServerType;
  readonly #runs: Map<string, RunReports>;

  static async listen(): Promise<ReportEndpoint> {
    const runs = new Map<string, RunReports>();
    const app = reportApp(runs);
    const server = await new Promise<ServerType>((resolve, fail) => {
      const starting = serve(
        {
          fetch: app.fetch,
          hostname: '127.0.0.1',
          port: 0,
          serverOptions: { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
        },
        () => resolve(starting),
      );
      starting.once('error', fail);
    });
    return new ReportEndpoint(server, runs);
  }

  private constructor(server: ServerType, runs: Map<string, RunReports>) {
    this.#server = server;
    this.#runs = runs;
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.url = base + REPORT_PATH;
    this.mcpUrl = base + MCP_PATH;
  }

  /** @returns the run's token: the only thing that the endpoint knows a reporter by. */
  admit(reports: RunReports): string {
    const token = randomBytes(24).toString('base64url');
    this.#runs.set(token, reports);
    return token;
  }

  /** Lets the token expire, after so long. */
  expire(token: string, afterMs: number): void {
    setTimeout(() => this.#runs.delete(token), afterMs).unref();
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Env = { Bindings: HttpBindings; Variables: { reports: RunReports } };

function reportApp(runs: Map<string, RunReports>): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (context, next) => {
    // A page in a browser must not get here by a name of its own that resolves to loopback.
    const origin = context.req.header('origin');
    if (
      !isLocal(`http://${context.req.header('host')}`) ||
      !(origin === undefined || isLocal(origin))
    ) {
      return refuse(context, 403, 'this host or origin is not served');
    }
    return next();
  });
  app.use(async (context, next) => {
    const token = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    const reports = token === undefined ? undefined : runs.get(token);
    if (reports === undefined) {
      return refuse(context, 401, 'the token is unknown or has expired: its run has ended');
    }
    context.env.outgoing.once('close', reports.requestBegins());
    context.set('reports', reports);
    return next();
  });
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context: Context<Env>) => {
      const why = `the report is over ${MAX_BODY_BYTES} bytes`;
      context.get('reports').refusedUnread(why);
      return refuse(context, 413, why);
    },
  });
  app.post(REPORT_PATH, limit, async (context) => {
    const reports = context.get('reports');
    let body: unknown;
    try {
      body = await context.req.json();
    } catch (error) {
      const why = `the report is not JSON: ${(error as Error).message}`;
      reports.refusedUnread(why);
      return refuse(context, 400, why);
    }
    const answer = await reports.receive(body);
    if (answer.accepted) return context.json(answer);
    const { because, ...told } = answer;
    return context.json(told, STATUS[because]);
  });
  const mcp = reportMcpHandler(MAX_BODY_BYTES);
  app.all(MCP_PATH, limit, (context) => mcp(context.req.raw, context.get('reports')));
  return app;
}

function isLocal(url: string): boolean {
  return URL.canParse(url) && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}

function refuse(context: Context<Env>, status: 400 | 401 | 403 | 413, message: string): Response {
  return context.json({ accepted: false, ...refusal(message) }, status);
}
