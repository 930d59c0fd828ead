/**
 * The part of the protocol of `codex app-server` that is used here. All of it, for an installed version:
 * `codex app-server generate-ts --experimental --out FOLDER`.
 */
import type { Json } from '../../job.js';

/** A tool that the client runs: the server asks for each call by `item/tool/call`. */
interface DynamicTool {
  type: 'function';
  name: string;
  description: string;
  inputSchema: { [keyword: string]: Json };
}

export interface ThreadStartParams {
  cwd: string;
  /** Kept in memory only. */
  ephemeral: true;
  approvalPolicy: 'never';
  dynamicTools: DynamicTool[];
  /** Settings by dotted key, above all other settings. */
  config: { [key: string]: Json };
}

export interface ThreadStartResponse {
  thread: { id: string };
  sandbox: SandboxPolicy;
  /** A named set of permissions, of which `sandbox` may be but a likeness. */
  activePermissionProfile: { id: string } | null;
}

/** Passed on as it comes. */
export interface SandboxPolicy {
  type: string;
}

export interface ToolCallParams {
  threadId: string;
  tool: string;
  arguments: unknown;
}

export interface ToolCallResponse {
  contentItems: { type: 'inputText'; text: string }[];
  success: boolean;
}

/** What is of no use here, or is sent a piece at a time and again as a whole. */
export const NOT_WANTED = [
  'thread/started',
  'thread/closed',
  'item/agentMessage/delta',
  'item/plan/delta',
  'item/reasoning/summaryTextDelta',
  'item/reasoning/summaryPartAdded',
  'item/reasoning/textDelta',
  'item/commandExecution/outputDelta',
  'item/fileChange/outputDelta',
  'item/fileChange/patchUpdated',
  'turn/diff/updated',
  'thread/status/changed',
  'account/rateLimits/updated',
];
