import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { AgentProcess, CannotStart } from '../agent/agent-process.js';
import type { Guard } from '../agent/guard.js';
import type { EventReader } from '../agent/presets/program.js';
import { clip, isProcess } from '../job.js';
import { WORKER_SHUTDOWN_FAILURE, itemWorkflowId } from '../messages.js';
import { deliver } from '../report/delivery.js';
import type { ReportEndpoint } from '../report/endpoint.js';
import { RunReports } from '../report/run-reports.js';
import { agentCommand } from './agent-command.js';
import type { AgentActivities, AgentEnd, AgentRun } from './contract.js';
import type { OpenJob, OpenJobs } from './open-jobs.js';

const HEARTBEAT_MS = 4000;
/** How long a token outlives its run, for reports that travel apart from the agent. */
const TOKEN_MARGIN_MS = 60_000;

export interface AgentHost {
  client: Client;
  jobs: OpenJobs;
  endpoint: ReportEndpoint;
  guard: Guard;
  /** Aborts when a worker that shuts down has waited long enough for its agents. */
  drained: AbortSignal;
}

export function createAgentActivities(host: AgentHost): AgentActivities {
  return { runAgent: (run) => runAgent(host, run) };
}

/**
 * Runs the agent of one item and ends with it.
 *
 * Returns how the agent ended, once every request that came for its run has been answered. Throws
 * where nothing can be said of the agent: it could not be started for now, was cancelled, or its
 * worker goes.
 */
async function runAgent(host: AgentHost, run: AgentRun): Promise<AgentEnd> {
  const job = await host.jobs.open(run);
  const reports = reportsOf(host, run, job);
  const token = host.endpoint.admit(reports);
  const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-'));
  const heartbeat = setInterval(() => Context.current().heartbeat(), HEARTBEAT_MS);
  try {
    const started = await start(host, run, job, { folder, token });
    if (typeof started === 'string') return { kind: 'not_started', error: clip(started) };
    const { agent, reader } = started;
    const why = await endOf(agent, run, reports, host.drained);
    await agent.end();
    const undelivered = await reports.finish(host.drained);
    await saveLog(job, run, agent.output.text());
    if (!reports.reported) giveBack(why);
    const { message, usage, failure_class } = reader?.told(agent.errors.text()) ?? {};
    return {
      ...(why === 'timed_out' || why === 'exhausted'
        ? { kind: why }
        : { kind: 'exited', ...(await agent.exited) }),
      last_line: clip(oneLine(message) || agent.lastLine(), MAX_LINE_CHARS),
      ...(usage && { usage }),
      ...(failure_class && { failure_class }),
      ...(reports.refused > 0 && { refused_reports: reports.refused }),
      ...(undelivered && { undelivered_report: undelivered }),
      ...(reports.lastRefusal !== undefined && { refused_report: clip(reports.lastRefusal) }),
    };
  } finally {
    clearInterval(heartbeat);
    host.endpoint.expire(token, run.limits.report_grace_seconds * 1000 + TOKEN_MARGIN_MS);
    // What cannot be removed stays: the run is over, and must not be repeated for that.
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** A log that cannot be kept is no reason to run the agent again. */
async function saveLog({ stored }: OpenJob, run: AgentRun, log: string): Promise<void> {
  if (log === '') return;
  try {
    await stored.saveLog(run, log);
  } catch (error) {
    Context.current().log.warn(`the output of an agent could not be kept: ${String(error)}`);
  }
}

const MAX_LINE_CHARS = 300;

function oneLine(text = ''): string {
  return text.replace(/\s+/g, ' ').trim();
}

function reportsOf({ client }: AgentHost, run: AgentRun, job: OpenJob): RunReports {
  const handle = client.workflow.getHandle(itemWorkflowId(run.job_id, run.item_id));
  const { job_id, item_id } = run;
  return new RunReports({ job_id, item_id, run: run.run }, job.terms, (report, giveUp) =>
    deliver(handle, report, giveUp),
  );
}

/** A run under way, and who reads its output where it is a program that is known. */
interface StartedAgent {
  agent: AgentProcess;
  reader: EventReader | undefined;
}

/** @returns what is wrong with the agent where it cannot be started. */
async function start(
  { endpoint, guard }: AgentHost,
  run: AgentRun,
  { record, stored, prompt: promptOf }: OpenJob,
  { folder, token }: { folder: string; token: string },
): Promise<StartedAgent | string> {
  const { agent, csv_path, output_schema } = record.spec;
  if (!isProcess(agent)) throw new Error(`job ${run.job_id} has no process to start`);
  const { row } = await stored.row(run.row_index);
  const rowFile = join(folder, 'row.json');
  await writeFile(rowFile, JSON.stringify(row), { mode: 0o600 });
  const workdir = agent.workdir ?? dirname(csv_path);
  const prompt = promptOf(row);
  const prepared = await agentCommand({
    run,
    agent,
    endpoint,
    token,
    prompt,
    row,
    output_schema,
    rowFile,
    workdir,
  });
  if (typeof prepared === 'string') return prepared;
  try {
    return {
      agent: await AgentProcess.start(prepared.command, guard),
      reader: prepared.reader,
    };
  } catch (error) {
    if (error instanceof CannotStart) return error.message;
    throw error;
  }
}

type Why = 'exited' | 'timed_out' | 'exhausted' | 'cancelled' | 'shut_down';

/** Waits until the agent has exited, or has to be ended. */
async function endOf(
  agent: AgentProcess,
  { limits }: AgentRun,
  reports: RunReports,
  drained: AbortSignal,
): Promise<Why> {
  const { cancellationSignal } = Context.current();
  let settle: (why: Why) => void;
  const settled = () => new Promise<Why>((resolve) => (settle = resolve));
  const why = settled();
  const onDrained = () => settle('shut_down');
  const onCancel = () => {
    // A worker that shuts down lets its agents finish, until it is drained.
    if (!isWorkerShutdown(cancellationSignal)) settle('cancelled');
    else if (drained.aborted) settle('shut_down');
  };
  void agent.exited.then(() => settle('exited'));
  reports.onExhausted = () => settle('exhausted');
  const deadline = setTimeout(() => settle('timed_out'), limits.max_runtime_seconds * 1000);
  drained.addEventListener('abort', onDrained);
  cancellationSignal.addEventListener('abort', onCancel);
  if (cancellationSignal.aborted) onCancel();
  let grace: NodeJS.Timeout | undefined;
  try {
    const first = await why;
    clearTimeout(deadline);
    if (first !== 'exited' || reports.reported || !agent.alive) return first;
    // The agent left others behind, who may still report: they are given the grace.
    const afterwards = settled();
    grace = setTimeout(() => settle('exited'), limits.report_grace_seconds * 1000);
    reports.onFirst = () => settle('exited');
    return await afterwards;
  } finally {
    clearTimeout(deadline);
    clearTimeout(grace);
    drained.removeEventListener('abort', onDrained);
    cancellationSignal.removeEventListener('abort', onCancel);
  }
}

/** Tells the server that this run came to nothing, through no fault of the agent. */
function giveBack(why: Why): void {
  if (why === 'cancelled') throw Context.current().cancellationSignal.reason;
  if (why === 'shut_down') {
    throw ApplicationFailure.nonRetryable('the worker was shut down', WORKER_SHUTDOWN_FAILURE);
  }
}

function isWorkerShutdown(signal: AbortSignal): boolean {
  return signal.reason instanceof Error && signal.reason.message === 'WORKER_SHUTDOWN';
}
