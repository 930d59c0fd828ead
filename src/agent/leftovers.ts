/**
 * What the agents of a host leave if worker and guard are both killed: notes of what runs have begun, by
 * which the next worker of the host finds and removes it.
 */
import { mkdir, readFile, readdir, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { type RunningProcess, isRunning, runningProcess } from '../running-process.js';
import { type Condemned, endProcesses, marked, signalIfThere } from './end-processes.js';
import { isGroupAlive } from './process-table.js';
import { removeTree } from './remove-tree.js';
import { type WorktreePlace, removeWorktree } from './worktree.js';

/** How the temporary folders of runs are called. */
export const RUN_FOLDER_PREFIX = 'agent-jobs-';
const KILL_AFTER_MS = 2000;
const BEING_WRITTEN = '.tmp';
/** It takes milliseconds. */
const WRITING_MS = 60_000;

/** Where a process ID means the same process. */
interface Host {
  name: string;
  /** Of the boot, and of the container if it is one: empty where the system does not tell. */
  boot: string;
  pid_namespace: string;
}

/** What a run has on its host. */
interface Note {
  host: Host;
  worker: RunningProcess;
  folder: string;
  /** The entry of the environment that all processes of the run have. */
  mark: string;
  worktree?: WorktreePlace;
  /** Leaders of its process groups. */
  groups: RunningProcess[];
}

/** The notes of one run. */
export interface RunNote {
  worktree(place: WorktreePlace): Promise<void>;
  /** To be called once a process of the run was started as leader of its group. */
  group(pid: number): Promise<void>;
  /** The run has left nothing. */
  remove(): Promise<void>;
}

/**
 * Notes of the runs of this host's workers, a small file each. They need not survive a power cut, which
 * no process survives either.
 */
export class RunNotes {
  readonly #folder: string;
  readonly #own: { host: Host; worker: RunningProcess };

  /** @param folder is shared by the workers of this host, or of several hosts. */
  static async open(folder: string): Promise<RunNotes> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const worker = (await runningProcess(process.pid)) ?? { pid: process.pid, started: '' };
    return new RunNotes(folder, { host: await thisHost(), worker });
  }

  private constructor(folder: string, own: { host: Host; worker: RunningProcess }) {
    this.#folder = folder;
    this.#own = own;
  }

  /** To be called before anything of the run is started. */
  async begin(run: { folder: string; mark: string }): Promise<RunNote> {
    const note: Note = { ...this.#own, ...run, groups: [] };
    const path = join(this.#folder, `${basename(run.folder)}.json`);
    const write = async () => {
      await writeFile(path + BEING_WRITTEN, JSON.stringify(note), { mode: 0o600 });
      await rename(path + BEING_WRITTEN, path);
    };
    await write();
    return {
      async worktree(place) {
        note.worktree = place;
        await write();
      },
      async group(pid) {
        const leader = await runningProcess(pid);
        if (leader === undefined) return;
        note.groups.push(leader);
        await write();
      },
      remove: () => rm(path, { force: true }),
    };
  }

  /**
   * Ends the processes of runs whose workers are gone, and removes their folders and worktrees. Several
   * workers may do so at the same time.
   * @param warn is told what could not be removed: no reason not to work.
   */
  async clear(warn: (message: string) => void): Promise<void> {
    const left: [path: string, note: Note][] = [];
    // A worker may be killed while it writes one, for the first time or again.
    const names = (await readdir(this.#folder)).map((name) => basename(name, BEING_WRITTEN));
    for (const name of new Set(names.filter((each) => each.endsWith('.json')))) {
      const path = join(this.#folder, name);
      const note = (await readNote(path)) ?? (await readNote(path + BEING_WRITTEN));
      if (note === undefined) await removeOld(path + BEING_WRITTEN);
      else if (this.#isHere(note) && !(await isRunning(note.worker))) left.push([path, note]);
    }
    await Promise.all(
      left.map(async ([path, note]) => {
        try {
          await removeLeftovers(note, note.host.boot === this.#own.host.boot);
          await rm(path, { force: true });
          await rm(path + BEING_WRITTEN, { force: true });
        } catch (error) {
          warn(
            `what a worker that is gone has left in ${note.folder} could not be removed: ${String(error)}`,
          );
        }
      }),
    );
  }

  #isHere({ host }: Note): boolean {
    const { name, pid_namespace } = this.#own.host;
    return host.name === name && host.pid_namespace === pid_namespace;
  }
}

/** @param sameBoot whether processes of that time can still be there. */
async function removeLeftovers(note: Note, sameBoot: boolean): Promise<void> {
  const { folder, mark, groups, worktree } = note;
  if (!basename(folder).startsWith(RUN_FOLDER_PREFIX)) {
    throw new Error('its name is not that of a folder of ours');
  }
  if (sameBoot) {
    await Promise.all(
      [...groups.map(groupOf), marked(mark)].map((processes) =>
        endProcesses(processes, KILL_AFTER_MS),
      ),
    );
  }
  if (worktree !== undefined) await removeWorktree(worktree);
  await removeTree(folder);
}

/**
 * The group of a leader that was noted. Where the leader is gone, the group's ID may be that of another
 * group by now: then only those are ended that carry the mark.
 */
function groupOf(leader: RunningProcess): Condemned {
  let confirmed = false;
  return {
    signal: (signal) => signalIfThere(-leader.pid, signal),
    async alive() {
      // Members of a group that was ours a moment ago keep its ID taken.
      confirmed ||= await isRunning(leader);
      return confirmed && isGroupAlive(leader.pid);
    },
  };
}

async function readNote(path: string): Promise<Note | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Note;
  } catch {
    // Removed meanwhile, or not whole since the machine went down.
    return undefined;
  }
}

/** What nobody goes on writing. */
async function removeOld(path: string): Promise<void> {
  const written = await stat(path).catch(() => undefined);
  if (written !== undefined && Date.now() - written.mtimeMs > WRITING_MS)
    await rm(path, { force: true });
}

async function thisHost(): Promise<Host> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const pid_namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return { name: hostname(), boot: boot.trim(), pid_namespace };
}
