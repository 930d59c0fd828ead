import type { ServerContext } from '@modelcontextprotocol/server';
import { rows } from '../cli/wording.js';
import type { JobStatus } from '../client.js';
import { ended } from '../job.js';

/** Sends `notifications/progress` for a request that asks for it, once more each time rows have ended. */
export class ProgressNotes {
  readonly #request: ServerContext['mcpReq'];
  #sent = -1;

  constructor({ mcpReq }: ServerContext) {
    this.#request = mcpReq;
  }

  async show(status: JobStatus, knownTotal = 0): Promise<void> {
    const progressToken = this.#request._meta?.progressToken;
    const progress = ended(status);
    // By the protocol it has to grow with each notification.
    if (progressToken === undefined || this.#request.signal.aborted || progress <= this.#sent)
      return;
    this.#sent = progress;
    const total = status.total || knownTotal;
    const failed = status.failed > 0 ? `, ${status.failed} failed` : '';
    await this.#request.notify({
      method: 'notifications/progress',
      params: {
        progressToken,
        progress,
        total,
        message: `${progress} of ${rows(total)} ended${failed}`,
      },
    });
  }
}
