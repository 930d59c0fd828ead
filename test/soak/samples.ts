/** What is looked at, again and again, while a long job runs (Linux). */
import { readFileSync, readdirSync, statSync } from 'node:fs';

/** One look. Sizes are in bytes. */
export interface Sample {
  /** Since the job's start. */
  seconds: number;
  /** That have ended. */
  rows: number;
  worker_memory: number;
  /** Open files, pipes and connections. */
  worker_handles: number;
  worker_threads: number;
  /** Those that the worker has started and what these have started, itself included. */
  processes: number;
  /** Processes that have ended and that nobody has collected. */
  remains: number;
  server_memory: number;
  server_handles: number;
  database: number;
  /** Runs that the worker has noted, for those after it. */
  notes: number;
  /** Folders of runs. */
  folders: number;
}

export interface Looked {
  worker: number;
  server: number;
  /** The database's file. */
  database: string;
  notes: string;
  temporary: string;
}

export function look(at: Looked, seconds: number, rows: number): Sample {
  const worker = processOf(at.worker);
  const server = processOf(at.server);
  const tree = treeOf(at.worker);
  return {
    seconds: Math.round(seconds),
    rows,
    worker_memory: worker.memory,
    worker_handles: worker.handles,
    worker_threads: worker.threads,
    processes: tree.running,
    remains: tree.remains,
    server_memory: server.memory,
    server_handles: server.handles,
    // What has not been moved to the file yet is in the log beside it.
    database: size(at.database) + size(`${at.database}-wal`),
    notes: readdirSync(at.notes).length,
    folders: readdirSync(at.temporary).length,
  };
}

function processOf(pid: number): { memory: number; handles: number; threads: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)![1]);
  return {
    memory: number('VmRSS') * 1024,
    handles: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
  };
}

function treeOf(root: number): { running: number; remains: number } {
  const children = new Map<number, number[]>();
  const ended = new Set<number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') ended.add(pid);
      children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid]);
    } catch {
      // It has ended since it was listed.
    }
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  const remains = tree.filter((pid) => ended.has(pid)).length;
  return { running: tree.length - remains, remains };
}

function size(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

export function csv(samples: Sample[]): string {
  const names = Object.keys(samples[0]!) as (keyof Sample)[];
  return [names, ...samples.map((sample) => names.map((name) => sample[name]))]
    .map((fields) => `${fields.join(',')}\n`)
    .join('');
}
