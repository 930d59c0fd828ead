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

/** One of several `column=n`. */
export function columnLimit(text: string, before: { [column: string]: number } = {}) {
  const place = text.lastIndexOf('=');
  const column = text.slice(0, place);
  if (place < 1) throw new InvalidArgumentError('must be COLUMN=N, as account=4');
  if (Object.hasOwn(before, column)) throw new InvalidArgumentError(`${column} is given twice`);
  return { ...before, [column]: number(text.slice(place + 1)) };
}

/** Where metrics are to be found, as HOST:PORT; loopback where only a port is given. */
export function metricsAddress(text: string): string {
  const [, host = '127.0.0.1', port] =
    /^(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost):)?(\d{1,5})$/.exec(text) ?? [];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) {
    return `${host === 'localhost' ? '127.0.0.1' : host}:${port}`;
  }
  throw new InvalidArgumentError('must be PORT, or IP:PORT such as 0.0.0.0:9464');
}

/** A share of a whole, as 80. */
export function percent(text: string): number {
  const value = number(text);
  if (value > 0 && value <= 100) return value;
  throw new InvalidArgumentError('must be above 0 and at most 100');
}
