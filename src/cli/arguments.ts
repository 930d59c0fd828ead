/** Arguments and options that several commands share. */
import { Argument, InvalidArgumentError, Option } from 'commander';
import { jobIdProblem } from '../job.js';

/** Reads a job ID; it also names files, so that nothing else may be taken for one. */
export function jobId(text: string): string {
  const problem = jobIdProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(problem);
  return text;
}

export function jobArgument(): Argument {
  return new Argument('<job>', 'ID of the job').argParser(jobId);
}

/** Read in `main.ts`, before the command runs. */
export function storeOption(): Option {
  return new Option(
    '--store <where>',
    'the job store: a folder, or s3://BUCKET/PREFIX (default: AGENT_JOBS_STORE, else $XDG_STATE_HOME/agent-jobs)',
  );
}

/** Read in `main.ts` as well, which gives it to each command that has to do with what is encrypted. */
export function keysFileOption(): Option {
  return new Option(
    '--keys-file <file>',
    'the keys that encrypt what goes to Temporal and into the job store (default: AGENT_JOBS_KEYS_FILE, else none)',
  );
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new InvalidArgumentError('must be a number');
  }
  return value;
}

/** A whole number from `min` up. */
export function count(min: number): (text: string) => number {
  return (text) => {
    const value = number(text);
    if (Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`must be a whole number from ${min} up`);
  };
}

/** A share of a whole, as 80. */
export function percent(text: string): number {
  const value = number(text);
  if (value > 0 && value <= 100) return value;
  throw new InvalidArgumentError('must be above 0 and at most 100');
}
