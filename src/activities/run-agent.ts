import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { CannotStart } from '../agent/agent-process.js';
import { endProcesses, marked } from '../agent/end-processes.js';
import { GitError } from '../agent/git.js';
import type { CodexHosts } from '../agent/codex-host/codex-hosts.js';
import type { Guard } from '../agent/guard.js';
import { quotaFailure } from '../agent/quota-end.js';
import type { RunNotes } from '../agent/leftovers.js';
import type { Told } from '../agent/presets/program.js';
import type { RunningAgent } from '../agent/running-agent.js';
import { Workplace } from '../agent/workplace.js';
import { type Json, type ProcessAgent, clip, isProcess } from '../job.js';
import { workflowIdOf } from '../messages.js';
import type { Metrics } from '../metrics.js';
import { deliver } from '../report/delivery.js';
import type { ReportEndpoint } from '../report/endpoint.js';
import { RunReports, type SendReport } from '../report/run-reports.js';
import type { WorkerTraces } from '../traces/worker-traces.js';
import { type StartedAgent, startProcess } from './agent-command.js';
import type { AgentActivities, AgentEnd, AgentRun } from './contract.js';
import { startHosted } from './hosted-agent.js';
import type { OpenJob, OpenJobs } from './open-jobs.js';
import { lastLineOf, oneLine } from './last-line.js';
import { type Why, endOfAgent, giveBack } from './run-end.js';
import { RunLog } from './run-log.js';
import { NotPrepared, SetupTeardown } from './setup-teardown.js';

const HEARTBEAT_MS = 4000;
/** How long a token outlives its run, for reports that travel apart from the agent. */
const TOKEN_MARGIN_MS = 60_000;

export interface AgentHost {
  client: Client;
  jobs: OpenJobs;
  endpoint: ReportEndpoint;
  guard: Guard;
  /** Processes that run the agents of many rows. */
  hosts: CodexHosts;
  /** Where runs are noted for the worker that starts after this one. */
  notes: RunNotes | undefined;
  metrics?: Metrics | undefined;
  traces?: Pick<WorkerTraces, 'variables' | 'bind'> | undefined;
  /** Aborts when a worker that shuts down has waited long enough for its agents. */
  drained: AbortSignal;
}

export function createAgentActivities(host: AgentHost): AgentActivities {
  return { runAgent: (run) => runAgent(host, run) };
}

/** What its heartbeats carry: what the agent has said last, once there is one. */
interface Life {
  said: () => string | undefined;
}

/** One run of an agent, with all that it needs. */
interface Run {
  host: AgentHost;
  run: AgentRun;
  job: OpenJob;
  agent: ProcessAgent;
  row: { [column: string]: Json };
  reports: RunReports;
  token: string;
  log: RunLog;
  place: Workplace;
  life: Life;
}

/**
 * Runs the agent of one item and ends with it.
 *
 * Returns how the agent ended, once every request that came for its run has been answered. Throws
 * where nothing can be said of the agent: it could not be started for now, was cancelled, or its
 * worker goes.
 */
async function runAgent(host: AgentHost, run: AgentRun): Promise<AgentEnd> {
  const life: Life = { said: () => undefined };
  // From the start: a store that does not answer is no lost worker.
  const heartbeat = setInterval(() => Context.current().heartbeat(life.said()), HEARTBEAT_MS);
  try {
    return await endOf(host, run, life);
  } finally {
    clearInterval(heartbeat);
  }
}

/** @throws what tells the server that the run came to nothing. */
async function endOf(host: AgentHost, run: AgentRun, life: Life): Promise<AgentEnd> {
  const job = await host.jobs.open(run);
  const { agent } = job.record.spec;
  if (!isProcess(agent)) throw new Error(`job ${run.job_id} has no process to start`);
  const row = await job.row(run.row_index);
  const reports = reportsOf(host, run, job);
  const token = host.endpoint.admit(reports);
  const log = new RunLog();
  let place: Workplace | undefined;
  try {
    place = await Workplace.open(row, host.notes);
    return await inWorkplace({ host, run, job, agent, row, reports, token, log, place, life });
  } catch (error) {
    if (error instanceof CannotStart) return { kind: 'not_started', error: clip(error.message) };
    if (error instanceof NotPrepared) return { kind: 'not_prepared', error: clip(error.message) };
    throw error;
  } finally {
    host.endpoint.expire(token, run.limits.report_grace_seconds * 1000 + TOKEN_MARGIN_MS);
    await saveLog(job, run, log.text());
    // What cannot be removed stays: the run is over, and must not be repeated for that.
    await place?.close().catch((error: unknown) => warn('what a run has left stays', error));
  }
}

/** @throws {CannotStart}; {@link NotPrepared}; what tells the server that the run came to nothing. */
async function inWorkplace(own: Run): Promise<AgentEnd> {
  const { host, run, job, agent, row, log, place } = own;
  const { guard, endpoint, drained } = host;
  const { spec, isolation } = job.record;
  // The folder of a file that is not on this host is not, either.
  const elsewhere = spec.input_key !== undefined && isolation === undefined;
  const beside = { folder: dirname(spec.csv_path), below: () => undefined };
  const workdir = job.workdir ?? (elsewhere ? undefined : beside);
  const cwd = await place.prepare(workdir, row, isolation).catch((error: unknown) => {
    if (!(error instanceof GitError)) throw error;
    throw new NotPrepared(`the worktree could not be made: ${error.message}`);
  });
  const around = new SetupTeardown(
    { run, agent, endpoint, rowFile: place.rowFile, workdir: cwd, trace: host.traces?.variables() },
    { guard, log, drained, noteGroup: (pid) => place.noteGroup(pid) },
  );
  try {
    await around.setup();
    return await agentEnd(own, cwd);
  } finally {
    await around.teardown();
    // Daemons of the two; those of the agent have ended with it.
    if (agent.setup !== undefined || agent.teardown !== undefined) {
      await endProcesses(marked(place.mark));
    }
  }
}

async function agentEnd(own: Run, cwd: string): Promise<AgentEnd> {
  const { host, reports, log } = own;
  const started = await start(own, cwd);
  const { agent, told: telling } = started;
  log.add('agent', agent.output);
  own.life.said = () => lastLineOf(agent, own.agent);
  const why = await toItsEnd(own, started);
  const undelivered = await reports.finish(host.drained);
  const patch = await savePatch(own);
  if (!reports.reported) giveBack(why);
  const told = telling?.() ?? {};
  const { message, usage, failure_class } = told;
  const how =
    why === 'timed_out' || why === 'idle' || why === 'exhausted'
      ? { kind: why }
      : await exited(own, agent, told);
  return {
    last_line: clip(oneLine(message ?? '') || agent.lastLine(), MAX_LINE_CHARS),
    ...(usage && { usage }),
    ...(failure_class && { failure_class }),
    ...how,
    ...(reports.refused > 0 && { refused_reports: reports.refused }),
    ...(undelivered && { undelivered_report: undelivered }),
    ...(reports.lastRefusal !== undefined && { refused_report: clip(reports.lastRefusal) }),
    ...(patch !== undefined && { patch }),
  };
}

/** How an agent has ended of its own, and whether it was for a limit: one that was ended may have met any before. */
async function exited({ agent, reports }: Run, { output, exited: end }: RunningAgent, told: Told) {
  const exit = await end;
  const quota = reports.reported ? undefined : quotaFailure(agent, exit, output, told, Date.now());
  return { kind: 'exited' as const, ...exit, ...quota };
}

/** Waits for the end of an agent, or ends it; what it has started is gone then, too. */
async function toItsEnd(own: Run, { agent, told }: StartedAgent): Promise<Why> {
  const { host, run, reports } = own;
  const ended = host.metrics?.agentStarts(own.agent);
  let why: Why | undefined;
  try {
    try {
      why = await endOfAgent(agent, run, reports, host.drained);
    } finally {
      await agent.end();
    }
    Context.current().log.info('an agent has ended', { end: why, reported: reports.reported });
    return why;
  } finally {
    ended?.(why ?? 'failed', told?.().usage);
  }
}

async function start(own: Run, workdir: string): Promise<StartedAgent> {
  const { host, run, agent, job, row, reports, token, place } = own;
  const task = {
    run,
    agent,
    endpoint: host.endpoint,
    token,
    prompt: job.prompt(row),
    row,
    output_schema: job.record.spec.output_schema,
    rowFile: place.rowFile,
    workdir,
    trace: host.traces?.variables(),
  };
  const hosted = await startHosted(task, reports, host.hosts);
  return hosted ?? startProcess(task, host.guard, (pid) => place.noteGroup(pid));
}

/** A log that cannot be kept is no reason to run the agent again. */
async function saveLog({ stored }: OpenJob, run: AgentRun, log: string): Promise<void> {
  if (log === '') return;
  try {
    await stored.logs.save(run, log);
  } catch (error) {
    warn('the output of an agent could not be kept', error);
  }
}

/** Nor is a patch: what the agent has reported counts. The run's log says why it is not there. */
async function savePatch({ job, run, place, log }: Run): Promise<string | undefined> {
  try {
    const { file, problem } = await place.patch();
    if (problem !== undefined) log.note(`the patch of this run lacks something: ${problem}`);
    return file === undefined ? undefined : await job.stored.savePatch(run, file);
  } catch (error) {
    log.note(`the patch of this run is not kept: ${(error as Error).message}`);
    warn('the patch of an agent could not be kept', error);
    return undefined;
  }
}

function warn(what: string, error: unknown): void {
  Context.current().log.warn(`${what}: ${String(error)}`);
}

const MAX_LINE_CHARS = 300;

function reportsOf(
  { client, metrics, traces }: AgentHost,
  run: AgentRun,
  job: OpenJob,
): RunReports {
  const handle = client.workflow.getHandle(workflowIdOf(job.record, run));
  const { job_id, item_id } = run;
  const send: SendReport = (report, giveUp) => deliver(handle, report, giveUp);
  return new RunReports(
    { job_id, item_id, run: run.run },
    job.terms,
    // Requests come in no trace, or in one of their own.
    traces?.bind(send) ?? send,
    metrics?.reportsOf(job.record.spec.agent),
  );
}
