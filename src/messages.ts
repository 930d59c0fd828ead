/**
 * The messages that workflows understand and the names under which things are found on the server:
 * shared by workflows, activities, the client and the command line.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { ControlAnswer, JobProgress, Json, PoolView, ReportAnswer } from './job.js';

export const JOB_WORKFLOW = 'agentJob';
export const ITEM_WORKFLOW = 'agentJobItem';
export const POOL_WORKFLOW = 'agentPool';

/** To an item, by an agent. The payload is a `Report`; anything may arrive, so it is typed as such. */
export const reportSignal = defineSignal<[unknown]>('report_agent_job_result');
/** As {@link reportSignal}, and answers. One name for both: a reporter picks by need. */
export const reportUpdate = defineUpdate<ReportAnswer, [unknown]>('report_agent_job_result');
/**
 * To an item, by an external agent: it lives. The payload is `{ job_id?, item_id?, run? }` or nothing; what is
 * given must match. Ignored where the job has no `heartbeat_seconds`.
 */
export const heartbeatSignal = defineSignal<[unknown?]>('heartbeat_agent_job_item');
/** To a job: start no more rows, let running ones end. The payload is `{ reason? }` or nothing. */
export const stopSignal = defineSignal<[unknown?]>('stop');
/** As {@link stopSignal}, and answers. */
export const stopUpdate = defineUpdate<ControlAnswer, [unknown]>('stop');
/** To a job: changes its settings. The payload is a `SettingsChange`. */
export const setUpdate = defineUpdate<ControlAnswer, [unknown]>('set');
/** To a job: start no more rows until it is resumed. The payload is `{ reason? }` or nothing. */
export const pauseUpdate = defineUpdate<ControlAnswer, [unknown]>('pause');
/** To a job: start rows again, whatever kept it from that. There need not be a payload. */
export const resumeUpdate = defineUpdate<ControlAnswer, [unknown]>('resume');
/** To a job: end the agent of an item, or do not start it. The payload is `{ item_id }`. */
export const cancelItemUpdate = defineUpdate<ControlAnswer, [unknown]>('cancel_item');
/** To a job: start an item that has ended once more. The payload is `{ item_id }`. */
export const retryItemUpdate = defineUpdate<ControlAnswer, [unknown]>('retry_item');
/** To a pool, by a job. The payload is a `PoolAsk`. */
export const poolAskSignal = defineSignal<[unknown]>('pool_ask');
/** To a job, by its pool. The payload is a `PoolGrant`. */
export const poolGrantSignal = defineSignal<[unknown]>('pool_grant');
/** To a pool. */
export const poolQuery = defineQuery<PoolView>('pool');
/** To a job. */
export const progressQuery = defineQuery<JobProgress>('progress');
/** To an item: what is to be done, and how it stands. */
export const itemQuery = defineQuery<ItemView>('item');

/** What the `item` query answers; `prompt` and `row` only where the agent is not a process of ours. */
export interface ItemView {
  job_id: string;
  item_id: string;
  row_index: number;
  attempt: number;
  run: number;
  /** ISO 8601; null while no agent runs. Process agents are timed by their worker instead. */
  deadline: string | null;
  prompt?: string;
  row?: { [column: string]: Json };
  output_schema?: { [key: string]: Json } | boolean;
  /** How long an external agent may be silent, where that is limited. */
  heartbeat_seconds?: number;
  /** ISO 8601: when it last gave a sign, where that is limited. */
  last_heartbeat?: string;
  reported: boolean;
  refused_reports: RefusedReport[];
}

/** The trace that a refused report leaves. */
export interface RefusedReport {
  at: string;
  errors: string;
}

/** On every item: its job. Items by status: `AgentJobId = "j" AND ExecutionStatus = "Failed"`. */
export const jobIdAttribute = defineSearchAttributeKey('AgentJobId', 'KEYWORD');
/** On every ended job. */
export const verdictAttribute = defineSearchAttributeKey('AgentJobVerdict', 'KEYWORD');

/** Memo key of an item's row number. */
export const ROW_MEMO = 'row_index';
/** Memo key of an item's ID, where its workflow is not named by it. */
export const ITEM_MEMO = 'item_id';
/** Memo key under which a cancelled item leaves its outcome: a cancellation has no details. */
export const OUTCOME_MEMO = 'outcome';
/** Memo key under which a job leaves what it has opened: `{ csv_path, output_csv_path, total }`. */
export const OPENED_MEMO = 'opened';
/** Memo key under which a job leaves its summary before it closes. */
export const SUMMARY_MEMO = 'summary';

/** The type of failure of a job that never began: its spec or its input has to be mended. */
export const INVALID_INPUT_FAILURE = 'InvalidInput';
/** The type of failure of a job whose verdict is `failed`; its details are the summary. */
export const JOB_FAILED_FAILURE = 'JobFailed';
/**
 * The type of failure of an item whose agent has met a limit: its job starts the row again, as another
 * generation.
 */
export const PUT_BACK_FAILURE = 'put_back';
/** The type of failure of a request to a job that cannot be read, or not be granted any more. */
export const REQUEST_REFUSED_FAILURE = 'RequestRefused';
/** An agent that is lost with its worker, or a worker that is told to go, is not the agent's failure. */
export const WORKER_SHUTDOWN_FAILURE = 'WorkerShutdown';
/** A worker without the job's store leaves the work to one that has it: retried until one does. */
export const WRONG_STORE_FAILURE = 'WrongStore';
/** The same of a worker without the job's key. */
export const LACKS_KEY_FAILURE = 'LacksKey';

/** Where agents run, so that agent hosts scale apart from workflow workers. */
export function agentTaskQueue(taskQueue: string): string {
  return `${taskQueue}-agents`;
}

/**
 * The workflow ID of an item: `<job_id>/<item_id>`, and `<job_id>/<item_id>/<generation>` from its second
 * generation on. Percent-encoding keeps it legal for any item ID, and neither a job ID nor an encoded item
 * ID holds a slash, so no two jobs or items can meet.
 */
export function itemWorkflowId(jobId: string, itemId: string, generation = 1): string {
  const id = `${jobId}/${encodeURIComponent(itemId)}`;
  return generation === 1 ? id : `${id}/${generation}`;
}

/** An item as its job knows it. */
export interface ItemName {
  item_id: string;
  row_index: number;
}

/**
 * What names an item within its job in workflow IDs: its ID, encoded; where the job is encrypted, its row
 * number, `row:1` for the first, since an ID is a cell and no workflow ID is encrypted. No encoded item ID
 * has a colon.
 */
export function itemKey({ item_id, row_index }: ItemName, encrypted = false): string {
  return encrypted ? `row:${row_index + 1}` : encodeURIComponent(item_id);
}

/** The workflow ID of an item of any job: as {@link itemWorkflowId} where the job is not encrypted. */
export function workflowIdOf(
  job: { job_id: string; encrypted?: true },
  item: ItemName & { generation?: number | undefined },
): string {
  const id = `${job.job_id}/${itemKey(item, job.encrypted)}`;
  const { generation = 1 } = item;
  return generation === 1 ? id : `${id}/${generation}`;
}

/** The item that a workflow ID names: by its {@link itemKey}; by its ID where that is not its row number. */
export function itemOf(workflowId: string): { key: string; item_id?: string; generation: number } {
  const [, key = '', generation = '1'] = workflowId.split('/');
  const named = { key, generation: Number(generation) };
  return key.startsWith('row:') ? named : { ...named, item_id: decodedKey(key) };
}

/** Whoever starts an item by hand may call it anything. */
function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

const POOL_PREFIX = 'agent-pool:';

/** The workflow ID of a pool. No job or item has a colon before a slash in its own. */
export function poolWorkflowId(name: string): string {
  return POOL_PREFIX + name;
}

/** The pool that a workflow ID of {@link poolWorkflowId} names. */
export function poolNameOf(workflowId: string): string {
  return workflowId.slice(POOL_PREFIX.length);
}
