/** What can be wrong, for callers to tell apart. */

/** A job of this ID exists: on the server, or in the job store from earlier. */
export class JobExists extends Error {
  override name = 'JobExists';
}

/** The job has no item of this ID. */
export class ItemNotFound extends Error {
  override name = 'ItemNotFound';
}

/** No Temporal server answers at the address. */
export class ServerUnreachable extends Error {
  override name = 'ServerUnreachable';
  readonly address: string;
  /** What is wrong with the connection and what to do about it, where that is known. */
  readonly problem: string | undefined;

  constructor(address: string, cause: unknown, problem?: string) {
    const why = problem === undefined ? '' : `: ${problem}`;
    super(`no Temporal server answers at ${address}${why}`, { cause });
    this.address = address;
    this.problem = problem;
  }
}

/** The job was refused when it opened its input; nothing was started. */
export class JobRefused extends Error {
  override name = 'JobRefused';
}

/** The job was terminated, and so has no summary. */
export class JobTerminated extends Error {
  override name = 'JobTerminated';
}
