import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { object, text } from '../../transcript/event.js';
import { AgentProcess } from '../agent-process.js';
import { HOST_FOLDER_VARIABLE } from '../environment.js';
import type { Guard } from '../guard.js';
import { RUN_FOLDER_PREFIX, type RunNote, type RunNotes } from '../leftovers.js';
import { removeTree } from '../remove-tree.js';
import type { AgentExit } from '../running-agent.js';
import { ANSWER_MS, type Host, HostedRun, type HostedTask } from './hosted-run.js';
import {
  NOT_WANTED,
  type SandboxPolicy,
  type ThreadStartParams,
  type ThreadStartResponse,
  type ToolCallParams,
} from './protocol.js';
import { rootCertificates } from './root-certificates.js';
import { RpcClosed, RpcPeer } from './rpc.js';

/** Without a run, a host takes memory for nothing. */
const IDLE_MS = 15_000;
/** The variable that `codex exec` takes its key from, and `codex app-server` does not. */
const KEY_VARIABLE = 'CODEX_API_KEY';
const KEY_IN_MEMORY = ['-c', 'cli_auth_credentials_store="ephemeral"'];

export interface HostCommand {
  argv: string[];
  env: NodeJS.ProcessEnv;
}

/** One `codex app-server`: a process of its own that runs the agents of many rows, each as a thread. */
export class CodexHost implements Host {
  readonly #rpc: RpcPeer;
  readonly #process: AgentProcess;
  readonly #folder: string;
  readonly #note: RunNote | undefined;
  /** By the IDs of its threads and turns: by the turn that it was for, a thread's thread is known. */
  readonly #owners = new Map<string, HostedRun>();
  readonly #runs = new Set<HostedRun>();
  /** What its agents may do beside reading, where that is settled for all folders. */
  #sandboxPolicy: SandboxPolicy | undefined;
  /** Runs that are being begun. */
  #beginning = 0;
  #idle: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;

  /** @throws where it does not start, or does not speak the protocol. */
  static async start(
    { argv, env }: HostCommand,
    guard: Guard,
    notes: RunNotes | undefined,
  ): Promise<CodexHost> {
    // Also where it works, while it works for nobody: nothing there says how.
    const folder = await mkdtemp(join(tmpdir(), RUN_FOLDER_PREFIX));
    const mark = `${HOST_FOLDER_VARIABLE}=${folder}`;
    const note = await notes?.begin({ folder, mark });
    const key = env[KEY_VARIABLE];
    let host: CodexHost | undefined;
    try {
      const roots = await rootCertificates(folder, env);
      const process = await AgentProcess.start(
        {
          argv: key ? [...argv, ...KEY_IN_MEMORY] : argv,
          cwd: folder,
          env: { ...env, ...roots, [HOST_FOLDER_VARIABLE]: folder },
          mark,
          onLine: (line) => {
            if (host !== undefined) host.#rpc.line(line);
          },
        },
        guard,
      );
      host = new CodexHost(process, folder, note);
      await note?.group(process.pid).catch(() => {});
      await host.#initialize(key);
      return host;
    } catch (error) {
      if (host !== undefined) await host.end();
      else await removed(folder, note);
      throw error;
    }
  }

  private constructor(process: AgentProcess, folder: string, note: RunNote | undefined) {
    this.#process = process;
    this.#folder = folder;
    this.#note = note;
    this.#rpc = new RpcPeer((line) => process.write(line), {
      notified: (method, params) => this.#notified(method, object(params)),
      asked: (method, params) => this.#asked(method, params),
    });
    void this.gone.then((exit) => {
      const how = exit.signal ?? `code ${exit.exit_code}`;
      const last = process.errors.lastLine();
      const why = `its codex app-server has ended (${how})${last && `: ${last}`}`;
      this.#rpc.close(why);
      for (const run of this.#runs) run.lost(exit, why);
      return this.end();
    });
  }

  /** When its process has ended. */
  get gone(): Promise<AgentExit> {
    return this.#process.exited;
  }

  /** Whether it takes another run. */
  get open(): boolean {
    return this.#ending === undefined;
  }

  /**
   * Begins a run.
   * @throws {RpcError} where it does not take the thread; {@link RpcClosed} where it is gone, and nothing
   *   of the run has begun.
   */
  async begin(thread: ThreadStartParams, task: HostedTask): Promise<HostedRun> {
    this.#beginning += 1;
    clearTimeout(this.#idle);
    try {
      const policy = this.#sandboxPolicy;
      const { id } = (await this.#thread(policy ? { ...thread, sandbox: 'read-only' } : thread))
        .thread;
      const run = new HostedRun(this, id, task, policy);
      this.#runs.add(run);
      this.#owners.set(id, run);
      return run;
    } catch (error) {
      if (error instanceof RpcClosed) await this.end();
      throw error;
    } finally {
      this.#beginning -= 1;
      this.#rest();
    }
  }

  ask(method: string, params: object, withinMs: number): Promise<unknown> {
    return this.#rpc.request(method, params, withinMs);
  }

  release(run: HostedRun): void {
    this.#runs.delete(run);
    for (const [id, owner] of this.#owners) if (owner === run) this.#owners.delete(id);
    this.#rest();
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#process.end();
    await removed(this.#folder, this.#note);
  }

  async #initialize(key: string | undefined): Promise<void> {
    const clientInfo = { name: 'agent-jobs', title: null, version: '1' };
    const capabilities = {
      experimentalApi: true,
      requestAttestation: false,
      optOutNotificationMethods: NOT_WANTED,
    };
    await this.ask('initialize', { clientInfo, capabilities }, ANSWER_MS);
    this.#rpc.notify('initialized');
    if (key) await this.ask('account/login/start', { type: 'apiKey', apiKey: key }, ANSWER_MS);
    await this.#learnSandbox();
    this.#rest();
  }

  /**
   * A thread that may write has its folder noted in the user's configuration as one to be trusted, with the
   * settings that lie in it. So threads begin with reading alone, and their turn may do what a thread in no
   * folder may, by the settings.
   */
  async #learnSandbox(): Promise<void> {
    const { thread, sandbox, activePermissionProfile } = await this.#thread({
      ephemeral: true,
      approvalPolicy: 'never',
    });
    await this.ask('thread/unsubscribe', { threadId: thread.id }, ANSWER_MS);
    if (activePermissionProfile !== null && activePermissionProfile.id !== ':read-only') {
      throw new Error('a set of permissions cannot be given to a turn as a sandbox');
    }
    if (sandbox.type !== 'readOnly') this.#sandboxPolicy = sandbox;
  }

  async #thread(params: object): Promise<ThreadStartResponse> {
    return (await this.ask('thread/start', params, ANSWER_MS)) as ThreadStartResponse;
  }

  #rest(): void {
    if (this.#runs.size + this.#beginning > 0 || this.#ending !== undefined) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.end(), IDLE_MS);
  }

  #notified(method: string, params: ReturnType<typeof object>): void {
    const thread = text(params['threadId']);
    const turn = object(params['turn']);
    const run = this.#owners.get(thread) ?? this.#owners.get(text(turn['rootTurnId']));
    if (run === undefined) return;
    if (method === 'turn/started') {
      this.#owners.set(thread, run);
      this.#owners.set(text(turn['id']), run);
    }
    run.notified(method, params);
  }

  async #asked(method: string, params: unknown): Promise<unknown> {
    if (method !== 'item/tool/call') throw new Error('nobody is there to be asked');
    const call = params as ToolCallParams;
    const run = this.#owners.get(call.threadId);
    if (run === undefined) throw new Error('the run of this thread has ended');
    return run.called(call);
  }
}

/** What cannot be removed stays, for the next worker of the host. */
async function removed(folder: string, note: RunNote | undefined): Promise<void> {
  await removeTree(folder)
    .then(() => note?.remove())
    .catch(() => {});
}
