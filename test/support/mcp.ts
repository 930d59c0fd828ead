/** The MCP server as its clients run it: a process, spoken to by the protocol's own client. */
import { pathToFileURL } from 'node:url';
import { Client, type ProgressCallback } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { MAIN } from './cli.js';

export interface McpOptions {
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** Options of `agent-jobs mcp`. */
  args?: string[];
  /** The client's root; without one, it declares none. */
  root?: string;
  /** By which the client introduces itself. */
  name?: string;
  /** The protocol of 2026-07-28 in place of that of 2025. */
  modern?: boolean;
  /** Another installation's. */
  main?: string;
  /** A program that starts the server, as its last arguments. */
  through?: string[];
}

/** What a job's tools answer. */
export interface JobAnswer {
  job_id: string;
  status: string;
  output_csv_path: string;
  total_items: number;
  completed_items: number;
  failed_items: number;
  job_error: string | null;
  failed_item_errors: { item_id: string; source_id: string | null; last_error: string }[] | null;
  waiting_for?: string;
  next?: string;
}

/** A tool may wait for a job's end; its client gives up after a minute otherwise. */
const CALL_MS = 300_000;

interface CallOptions {
  onprogress?: ProgressCallback;
  signal?: AbortSignal;
}

/** A client with a server of its own. */
export class McpClient {
  readonly client: Client;
  readonly transport: StdioClientTransport;

  static async connect(options: McpOptions): Promise<McpClient> {
    const { env, cwd, args = [], root, name = 'test', modern, main = MAIN, through = [] } = options;
    const client = new Client(
      { name, version: '1' },
      {
        capabilities: root === undefined ? {} : { roots: {} },
        versionNegotiation: { mode: modern ? { pin: '2026-07-28' } : 'legacy' },
      },
    );
    if (root !== undefined) {
      client.setRequestHandler('roots/list', () => ({
        roots: [{ uri: pathToFileURL(root).href }],
      }));
    }
    const [command, ...rest] = [...through, process.execPath, main, 'mcp', ...args];
    const transport = new StdioClientTransport({
      command: command!,
      args: rest,
      env: Object.fromEntries(
        Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
      cwd,
      // Where it breaks, the reason is there.
      stderr: 'inherit',
    });
    await client.connect(transport);
    return new McpClient(client, transport);
  }

  private constructor(client: Client, transport: StdioClientTransport) {
    this.client = client;
    this.transport = transport;
  }

  /** @returns what the tool answers. @throws where that is an error. */
  async call<Answer = JobAnswer>(
    name: string,
    args: object,
    options: CallOptions = {},
  ): Promise<Answer> {
    const { isError, text, structured } = await this.#call(name, args, options);
    if (isError) throw new Error(text);
    if (JSON.stringify(structured) !== text) throw new Error(`not the same as text: ${text}`);
    return structured as Answer;
  }

  /** @returns the message of a call that is to be refused. */
  async refusal(name: string, args: object): Promise<string> {
    const { isError, text } = await this.#call(name, args, {});
    if (!isError) throw new Error(`not refused: ${text}`);
    return text;
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  async #call(name: string, args: object, options: CallOptions) {
    const { isError, content, structuredContent } = await this.client.callTool(
      { name, arguments: { ...args } },
      { timeout: CALL_MS, ...options },
    );
    const [first] = content;
    return {
      isError: isError === true,
      text: first?.type === 'text' ? first.text : '',
      structured: structuredContent,
    };
  }
}
