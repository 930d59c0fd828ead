import {
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  setWorkflowOptions,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { PoolView } from '../job.js';
import { poolAskSignal, poolGrantSignal, poolNameOf, poolQuery } from '../messages.js';
import { readAsk } from '../pool-message.js';
import { atLength } from './control-activities.js';
import { requireKey } from './decoded.js';
import { onSignal } from './on-signal.js';
import { type Lease, hear, heldOf, regrant, sizeOf } from './pool-shares.js';

const { awaitEnd } = atLength;

/** Jobs that a pool takes in: each has an activity, and is carried along when it continues as new. */
const MAX_JOBS = 100;
/** Events after which it continues as new; it is replayed whenever a worker takes it over. */
const MAX_EVENTS = 1500;
/** What starts a pool tells it at once who asks. */
const FIRST_ASK = '1 minute';
/** Where the first job that asks holds slots already, of a pool that was ended by hand, others may do so, too. */
const REJOIN = '10 seconds';

/**
 * A limit shared by jobs: holds the slots of a pool, and grants them. It is started by the first job that asks,
 * and ends when none has or wants any. Jobs ask by signal, and only when what they want changes or they
 * give something back; grants are signals, too. Of each job it awaits the end, whatever that is.
 *
 * @param left what the run before this one left.
 */
export async function agentPool(left?: Lease[]): Promise<void> {
  const { workflowId, continuedFromExecutionRunId } = workflowInfo();
  requireKey(left);
  const name = poolNameOf(workflowId);
  // Who starts a pool may send anything.
  const carried = continuedFromExecutionRunId === undefined ? undefined : left;
  let leases: Lease[] = carried ?? [];
  const watches = new Map<string, CancellationScope>();
  let changed = true;
  let sending = 0;

  const hearAsk = (...messages: unknown[]) => {
    // Also where it says nothing: a flood of such is a reason to continue as new.
    changed = true;
    const ask = readAsk(messages);
    if (ask === undefined) return;
    const known = leases.find(({ job_id }) => job_id === ask.job_id);
    if (known === undefined && leases.length >= MAX_JOBS) return;
    const lease = hear(ask, known);
    leases =
      known === undefined ? [...leases, lease] : leases.map((l) => (l === known ? lease : l));
  };
  const asks = onSignal(poolAskSignal, hearAsk, () => (changed = true));
  setHandler(poolQuery, () => viewOf(name, leases));

  const leave = (jobId: string) => {
    leases = leases.filter(({ job_id }) => job_id !== jobId);
    watches.get(jobId)?.cancel();
    watches.delete(jobId);
    changed = true;
  };
  const watch = async (jobId: string) => {
    try {
      await awaitEnd({ workflow_id: jobId });
      leave(jobId);
    } catch (error) {
      // It has left by itself.
      if (!isCancellation(error)) throw error;
    }
  };
  const send = async ({ job_id, granted, asked, slots }: Lease) => {
    sending += 1;
    const grant = { pool: name, number: granted, asked, slots };
    // A job that is not there any more has an end, which is awaited.
    await getExternalWorkflowHandle(job_id)
      .signal(poolGrantSignal, grant)
      .catch(() => {});
    sending -= 1;
    changed = true;
  };

  if (leases.length === 0) await condition(() => leases.length > 0, FIRST_ASK);
  let complete = carried !== undefined || leases.every(({ held }) => held === 0);
  const rejoined = () => (complete = changed = true);
  if (!complete) void sleep(REJOIN).then(rejoined);
  for (;;) {
    changed = false;
    for (const { job_id, wants, held } of leases) if (wants === 0 && held === 0) leave(job_id);
    const before = leases;
    if (complete) leases = regrant(before);
    for (const [n, lease] of leases.entries()) {
      if (lease.granted !== before[n]!.granted) void send(lease);
      if (watches.has(lease.job_id)) continue;
      const scope = new CancellationScope();
      watches.set(lease.job_id, scope);
      void scope.run(() => watch(lease.job_id));
    }
    setCurrentDetails(detailsOf(viewOf(name, leases)));
    if (sending === 0 && complete && !asks.waiting) {
      if (leases.length === 0) return;
      const { continueAsNewSuggested, historyLength } = workflowInfo();
      if (continueAsNewSuggested || historyLength > MAX_EVENTS + 4 * leases.length)
        await continueAsNew<typeof agentPool>(leases);
    }
    await condition(() => changed);
  }
}

// It outlives jobs, and so would keep the workers of a version for as long as there are jobs.
setWorkflowOptions(
  // Of workers without a version, the server refuses it.
  () =>
    workflowInfo().currentDeploymentVersion?.deploymentName
      ? { versioningBehavior: 'AUTO_UPGRADE' }
      : {},
  agentPool,
);

function viewOf(name: string, leases: readonly Lease[]): PoolView {
  const size = sizeOf(leases);
  return {
    name,
    size,
    free: Math.max(0, size - heldOf(leases)),
    jobs: leases.map(({ job_id, wants, slots, held }) => ({ job_id, wants, slots, held })),
  };
}

function detailsOf({ size, free, jobs }: PoolView): string {
  const rows = jobs.map(
    ({ job_id, wants, slots, held }) => `| ${[job_id, wants, slots, held].join(' | ')} |`,
  );
  return [
    `**${free} of ${size} slots free**`,
    '',
    '| job | wants | granted | held |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}
