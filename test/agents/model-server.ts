/** The HTTP side of the mock models: a loopback server that is asked in JSON. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ModelServer {
  url: string;
  /** The conversation requests so far: their bodies. */
  readonly requests: unknown[];
  /** Those that are not answered, and whose asker still waits. */
  readonly unanswered: ReadonlySet<unknown>;
  close(): Promise<void>;
}

/** Answers a conversation request. */
export type Answer = (body: unknown, response: ServerResponse) => void;

/** Answers any other request, such as for the list of models. */
export type SideAnswer = (path: string) => unknown;

/** Serves a model whose conversations are posted to a path. */
export async function startModelServer(
  path: string,
  answer: Answer,
  sideAnswer: SideAnswer,
): Promise<ModelServer> {
  const requests: unknown[] = [];
  const unanswered = new Set<unknown>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const body = await text(request);
    if (request.method === 'POST' && pathname === path) {
      const conversation: unknown = JSON.parse(body);
      requests.push(conversation);
      unanswered.add(conversation);
      response.once('close', () => unanswered.delete(conversation));
      answer(conversation, response);
    } else if (pathname === path) {
      // Asked for a WebSocket, which not every service has: the program posts instead.
      sendJson(response, 426, { error: { message: 'Upgrade Required' } });
    } else {
      sendJson(response, 200, sideAnswer(pathname));
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A mistake in a test's prompt: no program tries a 400 again, and they print its message.
      sendJson(response, 400, { error: { type: 'invalid_request_error', message: String(error) } });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    unanswered,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** An event of a stream: the name of each is its `type`, in both services. */
export interface StreamEvent {
  type: string;
  [field: string]: unknown;
}

export function sendEvents(response: ServerResponse, events: StreamEvent[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
}
