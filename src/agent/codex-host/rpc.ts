import { setTimeout as delay } from 'node:timers/promises';
import { object, parseEvent, text } from '../../transcript/event.js';

/** The other side has answered with an error. */
export class RpcError extends Error {
  override name = 'RpcError';
}

/** The other side is gone, or does not answer. */
export class RpcClosed extends Error {
  override name = 'RpcClosed';
}

export interface RpcHandlers {
  notified(method: string, params: unknown): void;
  /** Answers a request of the other side; what it throws is an error's message. */
  asked(method: string, params: unknown): Promise<unknown>;
}

/** "Server overloaded; retry later": the request was not looked at. */
const OVERLOADED = -32001;
const LONGEST_WAIT_MS = 2000;
const REFUSED = -32601;

interface Waiting {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

/**
 * One end of a JSON-RPC connection as `codex app-server` speaks it: a message a line, both sides ask, and
 * no message says its version, so that no library for JSON-RPC 2.0 takes them.
 */
export class RpcPeer {
  readonly #send: (line: string) => void;
  readonly #handlers: RpcHandlers;
  readonly #waiting = new Map<number, Waiting>();
  #closed: RpcClosed | undefined;
  #lastId = 0;

  constructor(send: (line: string) => void, handlers: RpcHandlers) {
    this.#send = send;
    this.#handlers = handlers;
  }

  /** @throws {RpcError}; {@link RpcClosed}, also where no answer comes in time. */
  async request(method: string, params: unknown, withinMs: number): Promise<unknown> {
    const deadline = Date.now() + withinMs;
    for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const answer = object(await this.#ask(method, params, deadline - Date.now()));
      if (!('error' in answer)) return answer['result'];
      const { code, message } = object(answer['error']);
      if (code !== OVERLOADED || Date.now() + waitMs > deadline) throw new RpcError(text(message));
      await delay(waitMs * (0.5 + Math.random()));
    }
  }

  notify(method: string): void {
    this.#write({ method });
  }

  /** Takes what the other side has sent. */
  line(line: string): void {
    const message = parseEvent(line);
    if (message === undefined) return;
    const { id, method, params } = message;
    if (typeof method !== 'string') this.#waiting.get(id as number)?.resolve(message);
    else if (id === undefined) this.#handlers.notified(method, params);
    else void this.#answer(id, method, params);
  }

  /** The other side is gone: nothing that was asked is answered any more. */
  close(why: string): void {
    this.#closed = new RpcClosed(why);
    for (const { reject } of this.#waiting.values()) reject(this.#closed);
  }

  async #ask(method: string, params: unknown, withinMs: number): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    const id = (this.#lastId += 1);
    let enough: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        const late = () => reject(new RpcClosed(`it has not answered ${method} in time`));
        enough = setTimeout(late, withinMs);
        this.#write({ id, method, params });
      });
    } finally {
      clearTimeout(enough);
      this.#waiting.delete(id);
    }
  }

  async #answer(id: unknown, method: string, params: unknown): Promise<void> {
    try {
      this.#write({ id, result: await this.#handlers.asked(method, params) });
    } catch (error) {
      this.#write({ id, error: { code: REFUSED, message: (error as Error).message } });
    }
  }

  #write(message: object): void {
    if (this.#closed === undefined) this.#send(`${JSON.stringify(message)}\n`);
  }
}
