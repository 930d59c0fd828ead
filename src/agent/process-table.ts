/** What the kernel tells of all processes. On Linux only: elsewhere it would take a program that reads them. */
import { readFileSync, readdirSync } from 'node:fs';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';

const LINUX = process.platform === 'linux';
/** Processes looked at before others of this program get their turn. */
const BATCH = 64;
/** A look takes some 5 ms per hundred processes: at most a fifth of the time goes into looking. */
const REST = 4;

/** A process that has had no environment for so long has none, and is no more just starting its program. */
const START_MS = 100;
const START_POLL_MS = 2;

/** Those that are there. */
const bare = new Set<number>();
let next: Promise<(mark: string) => number[]> | undefined;
let marks = new Set<string>();
let rest = Promise.resolve();

/**
 * The processes that were started with this entry of the environment (`NAME=value`), whoever their
 * parent is by now. Those who ask at the same time share one look.
 * @returns none where this cannot be told.
 */
export async function processesMarked(mark: string): Promise<number[]> {
  if (!LINUX) return [];
  marks.add(mark);
  next ??= rest.then(() => {
    const wanted = [...marks];
    marks = new Set();
    next = undefined;
    const begun = performance.now();
    const looking = look(wanted);
    rest = looking.then(() => delay(REST * (performance.now() - begun), undefined, { ref: false }));
    return looking;
  });
  return (await next)(mark);
}

async function look(wanted: string[]): Promise<(mark: string) => number[]> {
  const found = new Map<string, number[]>(wanted.map((mark) => [mark, []]));
  const listed = new Set(processIds());
  for (const pid of bare) if (!listed.has(pid)) bare.delete(pid);
  let starting = await search([...listed], found);
  // One that has gone before it was looked at may have left another.
  const later = processIds().filter((pid) => !listed.has(pid));
  starting.push(...(await search(later, found)));
  const end = performance.now() + START_MS;
  while (starting.length > 0 && performance.now() < end) {
    await delay(START_POLL_MS);
    starting = await search(starting, found);
  }
  for (const pid of starting) bare.add(pid);
  return (mark) => found.get(mark)!;
}

/**
 * Looks for marks in the environments of processes.
 * @returns those that have none, as a process has for a moment when it becomes another program (execve).
 */
async function search(pids: number[], found: Map<string, number[]>): Promise<number[]> {
  const starting: number[] = [];
  for (const [n, pid] of pids.entries()) {
    if (n % BATCH === BATCH - 1) await setImmediate();
    // Not ours to read, or gone.
    const entries = read(`/proc/${pid}/environ`);
    if (entries === undefined) continue;
    if (entries.length === 0 && !bare.has(pid) && stateOf(pid).runs) starting.push(pid);
    for (const [mark, marked] of found) if (holds(entries, mark)) marked.push(pid);
  }
  return starting;
}

function holds(entries: Buffer, mark: string): boolean {
  const entry = Buffer.from(`${mark}\0`);
  for (let at = entries.indexOf(entry); at !== -1; at = entries.indexOf(entry, at + 1)) {
    if (at === 0 || entries[at - 1] === 0) return true;
  }
  return false;
}

/**
 * Whether a process group has members that run. Remains of processes do not count: where nobody
 * collects them, as in many containers, they stay for ever.
 */
export function isGroupAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  // The leader first: as long as it runs, nobody else has to be looked at.
  return !LINUX || isMember(group, group) || processIds().some((pid) => isMember(pid, group));
}

function isMember(pid: number, group: number): boolean {
  const state = stateOf(pid);
  return state.group === group && state.runs;
}

function stateOf(pid: number): { group: number; runs: boolean } {
  const stat = read(`/proc/${pid}/stat`)?.toString('latin1');
  // The second field is the name, in brackets, and may itself hold spaces and brackets.
  const [state = 'X', , pgrp] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return { group: Number(pgrp), runs: !'ZX'.includes(state) };
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    // Too many open files: nothing that a run could be failed for.
    return [];
  }
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
