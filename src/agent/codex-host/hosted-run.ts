import type { RunReports } from '../../report/run-reports.js';
import { REPORT_TOOL } from '../../report/report-tool.js';
import { answerText } from '../../report/answer-text.js';
import { type Event, object, text } from '../../transcript/event.js';
import { endProcesses, marked } from '../end-processes.js';
import { OutputTail } from '../output-tail.js';
import type { AgentExit, RunningAgent } from '../running-agent.js';
import { execEvent } from './exec-events.js';
import type { SandboxPolicy, ToolCallParams, ToolCallResponse } from './protocol.js';
import { RpcError } from './rpc.js';

/** As of an agent that is a process. */
const OUTPUT_BYTES = 1024 * 1024;
/** A server that takes longer than this for a request does not work. */
export const ANSWER_MS = 60_000;
/** The same for ending a run, which others wait for. */
const END_MS = 30_000;

/** What an agent does in the server alone: it starts no process. All else, also what is not known here, may. */
const HARMLESS = ['userMessage', 'agentMessage', 'reasoning', 'plan', 'dynamicToolCall'];

/** The server that a run is on. */
export interface Host {
  ask(method: string, params: object, withinMs: number): Promise<unknown>;
  /** Ends the server, and every run on it. */
  end(): Promise<void>;
  /** The run has ended: nothing that comes is for it any more. */
  release(run: HostedRun): void;
}

/** What one run brings along. */
export interface HostedTask {
  prompt: string;
  reports: RunReports;
  /** The entry of the environment that no other run's processes have. */
  mark: string;
  /** Is given each event as it comes, a line as `codex exec --json` prints it. */
  onLine: (line: string) => void;
}

/** One run as a thread of a host: its turn, the threads that its agent has started, and their commands. */
export class HostedRun implements RunningAgent {
  readonly output = new OutputTail(OUTPUT_BYTES);
  readonly exited: Promise<AgentExit>;
  /** Also what its agent's own threads do is one. */
  lastSignAt = performance.now();
  readonly #host: Host;
  readonly #thread: string;
  readonly #task: HostedTask;
  /** The turn under way of each of its threads. */
  readonly #turns = new Map<string, string | undefined>();
  readonly #begun: Promise<void>;
  #exit!: (exit: AgentExit) => void;
  #over = false;
  /** Whether its turn has ended by itself. */
  #completed = false;
  /** Whether a process may have been started for it, by itself or by a thread of its own. */
  #started = false;
  #usage: Event | undefined;

  constructor(host: Host, thread: string, task: HostedTask, sandboxPolicy?: SandboxPolicy) {
    this.#host = host;
    this.#thread = thread;
    this.#task = task;
    this.#turns.set(thread, undefined);
    this.exited = new Promise((resolve) => {
      this.#exit = (exit) => {
        this.#over = true;
        resolve(exit);
      };
    });
    this.#emit({ type: 'thread.started', thread_id: thread });
    this.#begun = this.#begin(sandboxPolicy);
  }

  /** Takes what the host tells of one of its threads. */
  notified(method: string, params: Event): void {
    this.lastSignAt = performance.now();
    const thread = text(params['threadId']);
    if (method === 'turn/started') this.#turns.set(thread, text(object(params['turn'])['id']));
    if (method === 'turn/completed') this.#turns.set(thread, undefined);
    this.#started ||= thread !== this.#thread || mayStart(method, params);
    // As in the events of `exec`, what threads of the agent's own do is not told.
    if (thread !== this.#thread) return;
    if (method === 'thread/tokenUsage/updated') {
      this.#usage = object(object(params['tokenUsage'])['total']);
    }
    const event = execEvent(method, params, this.#usage);
    if (event !== undefined) this.#emit(event);
    if (method !== 'turn/completed') return;
    const { status } = object(params['turn']);
    this.#completed = true;
    this.#exit({ exit_code: status === 'completed' ? 0 : 1, signal: null });
  }

  /** Answers a call of one of its threads. */
  async called({ tool, arguments: args }: ToolCallParams): Promise<ToolCallResponse> {
    if (tool !== REPORT_TOOL) throw new Error(`there is no tool ${tool}; call ${REPORT_TOOL}`);
    const { reports } = this.#task;
    const answered = reports.requestBegins();
    try {
      const answer = await reports.receive(args);
      return {
        contentItems: [{ type: 'inputText', text: answerText(answer) }],
        success: answer.accepted,
      };
    } finally {
      answered();
    }
  }

  /** The host has ended, and this run with it. */
  lost(exit: AgentExit, why: string): void {
    if (this.#over) return;
    this.#emit({ type: 'error', message: why });
    this.#exit(exit);
  }

  async alive(): Promise<boolean> {
    return !this.#over || (!this.#clean && (await marked(this.#task.mark).alive()));
  }

  lastLine(): string {
    return this.output.lastLine();
  }

  async end(): Promise<void> {
    await this.#begun;
    try {
      await this.#stop();
    } catch {
      // Gone, or it does not end what it was told to end.
      await this.#host.end();
    }
    this.#host.release(this);
    this.#exit({ exit_code: null, signal: 'SIGINT' });
    // What its commands have left; where that cannot be told, the host has ended what it knows of.
    if (!this.#clean) await endProcesses(marked(this.#task.mark));
  }

  /**
   * Whether there is nothing to look for, which would take a look at all processes of the machine. A turn
   * that is cut off may start a command before it is told.
   */
  get #clean(): boolean {
    return this.#completed && !this.#started;
  }

  async #begin(sandboxPolicy: SandboxPolicy | undefined): Promise<void> {
    const input = [{ type: 'text', text: this.#task.prompt, text_elements: [] }];
    try {
      const turn = { threadId: this.#thread, input, sandboxPolicy };
      await this.#host.ask('turn/start', turn, ANSWER_MS);
    } catch (error) {
      this.lost({ exit_code: 1, signal: null }, (error as Error).message);
    }
  }

  async #stop(): Promise<void> {
    // Its own turn first: it may start more of them.
    for (const [threadId, turnId] of this.#turns) {
      if (turnId !== undefined) await this.#askToEnd('turn/interrupt', { threadId, turnId });
    }
    const threads = [...this.#turns.keys()];
    await Promise.all(
      threads.map(async (threadId) => {
        if (!this.#clean) {
          await this.#askToEnd('thread/backgroundTerminals/clean', { threadId });
        }
        await this.#askToEnd('thread/unsubscribe', { threadId });
      }),
    );
  }

  async #askToEnd(method: string, params: object): Promise<void> {
    try {
      await this.#host.ask(method, params, END_MS);
    } catch (error) {
      // An answer: there was nothing to end.
      if (!(error instanceof RpcError)) throw error;
    }
  }

  #emit(event: Event): void {
    const line = JSON.stringify(event);
    this.output.add(Buffer.from(`${line}\n`));
    this.#task.onLine(line);
  }
}

function mayStart(method: string, params: Event): boolean {
  if (method === 'hook/started') return true;
  return method === 'item/started' && !HARMLESS.includes(text(object(params['item']).type));
}
