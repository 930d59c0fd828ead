/** The one place that turns errors into messages and exit codes. */
import { CommanderError } from 'commander';
import type { JobStatus } from '../client.js';
import { printable } from './wording.js';

export const EXIT = {
  succeeded: 0,
  unexpected: 1,
  /** Invalid usage or input; nothing was started. */
  invalid: 2,
  /** The verdict is failed or partial; a report was refused. */
  failed: 3,
  /** The verdict is stopped or cancelled. */
  stopped: 4,
  /** A sample has ended, and nobody has said whether to go on. */
  paused: 5,
  /** Ctrl-C; the job goes on. */
  interrupted: 130,
} as const;

export const EXIT_CODES_HELP = `
Exit codes: 0 succeeded; 1 unexpected error; 2 invalid usage or input, nothing started;
3 failed or partial; 4 stopped or cancelled; 5 paused after its sample; 130 interrupted while the job goes on.`;

/** What the user asked for cannot be done as asked. The message says what to change. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** A problem that has been understood: its message is all that there is to say. */
export class Problem extends Error {
  override name = 'Problem';
}

/** Ctrl-C while a job was followed. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** By name: loading the classes would load the Temporal client, which takes most of a second. */
const INVALID = new Set([
  'UsageError',
  'ConfigError',
  'SpecError',
  'InvalidInput',
  'OutputError',
  'JobExists',
  'JobNotFound',
  'ItemNotFound',
  'JobRefused',
  'ControlRefused',
  'RerunRefused',
]);

/** @returns the exit code of an error, and what to print; nothing where that was printed already. */
export function explain(error: unknown): { code: number; message?: string } {
  if (error instanceof CommanderError) {
    return { code: error.exitCode === 0 ? EXIT.succeeded : EXIT.invalid };
  }
  if (!(error instanceof Error)) return { code: EXIT.unexpected, message: String(error) };
  const message = printable(error.message);
  if (INVALID.has(error.name)) return { code: EXIT.invalid, message };
  if (error instanceof Interrupted) return { code: EXIT.interrupted, message };
  if (error instanceof Problem) return { code: EXIT.unexpected, message };
  if (['StoreError', 'JobUnattended', 'Undecodable'].includes(error.name))
    return { code: EXIT.unexpected, message };
  if (error.name === 'ServerUnreachable') {
    if ((error as { problem?: string }).problem !== undefined) {
      return { code: EXIT.unexpected, message };
    }
    return { code: EXIT.unexpected, message: `${message}${reason(error)}. ${HOW_TO_REACH}` };
  }
  const refusal = grpcStatus(error);
  if (refusal !== undefined) {
    const text = printable(`${error.message}: ${refusal.details}`);
    return { code: EXIT.unexpected, message: `the Temporal server did not do it: ${text}` };
  }
  return {
    code: EXIT.unexpected,
    message: `unexpected error: ${printable(error.stack ?? message)}`,
  };
}

const HOW_TO_REACH =
  'Start one with "temporal-dev.sh up" or by "agent-jobs run --local", or set TEMPORAL_ADDRESS.';

/** @returns whether the error says that the server is away or overloaded, and may come back. */
export function isServerAway(error: unknown): boolean {
  const code = error instanceof Error ? grpcStatus(error)?.code : undefined;
  return code !== undefined && AWAY.has(code);
}

/** gRPC codes: cancelled (the connection closed), deadline exceeded, resources exhausted, unavailable. */
const AWAY = new Set([1, 4, 8, 14]);

interface GrpcStatus {
  code: number;
  details: string;
}

function grpcStatus(error: Error): GrpcStatus | undefined {
  for (const each of [error, error.cause]) {
    const { code, details } = (each ?? {}) as Partial<GrpcStatus>;
    if (typeof code === 'number' && typeof details === 'string') return { code, details };
  }
  return undefined;
}

/** Why there is no connection, where it is not just that nothing listens. */
function reason(error: Error): string {
  const details = error.cause instanceof Error ? grpcStatus(error.cause)?.details : undefined;
  return details === undefined ? '' : `: ${printable(details)}`;
}

/** The exit code that a job's end stands for. */
export function exitCodeOf({ state, verdict, output_error }: JobStatus): number {
  if (state === 'refused') return EXIT.invalid;
  switch (verdict) {
    case 'succeeded':
      // The job is not to blame, yet what was asked for is not there: `&&` must not go on.
      return output_error === null ? EXIT.succeeded : EXIT.unexpected;
    case 'partial':
    case 'failed':
      return EXIT.failed;
    case 'stopped':
    case 'cancelled':
    case null:
      return EXIT.stopped;
  }
}
