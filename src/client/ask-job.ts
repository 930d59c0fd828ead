import { randomUUID } from 'node:crypto';
import {
  ApplicationFailure,
  type Client,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import type { ControlAnswer } from '../job.js';
import { REQUEST_REFUSED_FAILURE } from '../messages.js';
import { decoded } from './decoded.js';
import {
  FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED,
  type Refusal,
  refusal,
  untilPassedOn,
} from './passed-on.js';

/** What was asked of a job is not granted, and nothing was changed. */
export class ControlRefused extends Error {
  override name = 'ControlRefused';
}

/** The job runs, and neither a worker nor the server has answered in time; it may be done yet, as the message says. */
export class JobUnattended extends Error {
  override name = 'JobUnattended';
}

const TIMEOUT_MS = 30_000;

/**
 * gRPC codes of a server that has not passed the request on, and may the next time: the job is just
 * continuing as new, or is asked for more at once, or in one of its runs, than the server takes.
 */
const NOT_NOW = new Set([
  RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION,
  10, // ABORTED
  14, // UNAVAILABLE
]);

/**
 * Asks something of a job, and returns once it is granted.
 * @throws {ControlRefused}; {@link JobUnattended}; `WorkflowNotFoundError` where the job has ended.
 */
export async function askJob(
  client: Client,
  jobId: string,
  update: UpdateDefinition<ControlAnswer, [unknown]>,
  message: object,
): Promise<void> {
  const given = await answerOf(client, jobId, update, message);
  const answer = decoded<ControlAnswer>(`the answer of job ${jobId}`, given);
  if (answer.accepted) return;
  throw new ControlRefused(answer.errors.map(({ message }) => message).join('; '));
}

async function answerOf(
  client: Client,
  jobId: string,
  update: UpdateDefinition<ControlAnswer, [unknown]>,
  message: object,
): Promise<ControlAnswer> {
  const deadline = Date.now() + TIMEOUT_MS;
  // One request, however often it is sent.
  const updateId = randomUUID();
  const handle = client.workflow.getHandle(jobId);
  try {
    return await untilPassedOn(deadline, isNotNow, () =>
      client.withDeadline(deadline, () =>
        handle.executeUpdate(update, { args: [message], updateId }),
      ),
    );
  } catch (error) {
    throw asControlError(error, jobId);
  }
}

function isNotNow({ code }: Refusal): boolean {
  return NOT_NOW.has(code);
}

function asControlError(error: unknown, jobId: string): unknown {
  const within = `within ${TIMEOUT_MS / 1000} s`;
  const refused = refusal(error);
  if (refused !== undefined && isNotNow(refused)) {
    return new JobUnattended(
      `the server has not passed on what was asked of job ${jobId} (${refused.details}) ${within}, and nothing was changed. Ask again later`,
      { cause: error },
    );
  }
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (cause instanceof ApplicationFailure && cause.type === REQUEST_REFUSED_FAILURE) {
    return new ControlRefused(cause.message);
  }
  if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) return error;
  return new JobUnattended(
    `no worker has answered for job ${jobId} ${within}. The server may have kept what was asked, for one that starts: ` +
      `agent-jobs worker; agent-jobs status ${jobId} then tells`,
  );
}
