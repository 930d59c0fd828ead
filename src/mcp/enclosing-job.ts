import { readFile } from 'node:fs/promises';
import { ownJob } from '../config.js';

/**
 * The job in which this process works for an agent. Codex hands on little of its environment to its MCP
 * servers, so that it is looked for in those of the processes above as well, where they can be read (Linux).
 */
export async function enclosingJob(): Promise<string | undefined> {
  let job = ownJob();
  for (let pid = process.ppid; job === undefined && pid > 1; pid = await parentOf(pid)) {
    job = await jobOf(pid);
  }
  return job;
}

async function jobOf(pid: number): Promise<string | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  return /(?:^|\0)AGENT_JOBS_JOB_ID=([^\0]+)/.exec(environment)?.[1];
}

/** @returns 0 where it is not known. */
async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
}
