/** Who works on items. */

/** Agent programs that are known: how they are started, how they report, what their output tells. */
export const PRESETS = ['codex', 'claude'] as const;
export type Preset = (typeof PRESETS)[number];

/** Who processes an item, as the user states it in the spec. */
export type AgentSpec =
  | ({
      /** Program and arguments. No shell is involved. An argument that is exactly `{prompt}` is replaced by the prompt. */
      command: string[];
    } & AgentSurroundings)
  | ({
      preset: Preset;
      /** Arguments added to the program's own, as `["--model", "…"]`. */
      args?: string[] | undefined;
    } & AgentSurroundings)
  /** No process: somebody else works and reports within `max_runtime_seconds`. */
  | { external: true }
  /** A user's own Temporal activity, in any language. */
  | { activity: string; task_queue: string };

/** What can keep the agents of a job apart from each other and from the files of their user. */
export const ISOLATIONS = ['worktree'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** An agent that a worker starts as a process. */
export type ProcessAgent = Extract<AgentSpec, { command: string[] } | { preset: Preset }>;

export function isProcess(agent: AgentSpec): agent is ProcessAgent {
  return 'command' in agent || 'preset' in agent;
}

/** Where and with what an agent process runs. */
export interface AgentSurroundings {
  /**
   * Absolute working directory, a template as the instruction is. What a row puts into it stays below
   * the folder before the first placeholder. Default: the caller's folder (CLI, client), else the input's.
   */
  workdir?: string | undefined;
  /**
   * `worktree`: each run gets a git worktree of its own of the repository that holds the working
   * directory, at the commit that was checked out when the job was opened. What it changes there is
   * kept as a patch.
   */
  isolate?: Isolation | undefined;
  /** A command line for `/bin/sh`, run in the working directory before each agent. Not a template. */
  setup?: string | undefined;
  /** The same after each agent, however it ended. */
  teardown?: string | undefined;
  /**
   * Variables of the worker's environment that the agent gets beside the ordinary ones and those that
   * its preset needs. `NAME`, or `PREFIX_*`.
   */
  pass_env?: string[] | undefined;
  /**
   * A pattern in RE2 syntax. An agent that ends without a report and with a match in the end of its output
   * has met a limit of what it uses, as those have of which a preset tells so. A group named `reset` is when
   * the limit ends: seconds, a duration, or a time.
   */
  quota_pattern?: string | undefined;
  /** The same of an agent that exits with this code. Where both are given, either counts. */
  quota_exit_code?: number | undefined;
}

/** The part of {@link AgentSpec} that workflows need: which way an item is worked on. */
export type AgentRoute =
  | { kind: 'process' }
  | { kind: 'external' }
  | { kind: 'activity'; activity: string; task_queue: string };

/** What an agent tells of its usage: its tokens, or its tokens and what they cost. */
export type Telling = 'tokens' | 'cost';

/** What the known agents tell. */
export const PRESET_TELLS: Record<Preset, Telling> = { codex: 'tokens', claude: 'cost' };

/**
 * What a worker may be there for alone.
 * - `workflows`: the jobs and their items, the input and the output. It starts no agents.
 * - `agents`: the agents, and nothing else.
 */
export const WORKER_ROLES = ['workflows', 'agents'] as const;
export type WorkerRole = (typeof WORKER_ROLES)[number];
