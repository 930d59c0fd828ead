import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads `+ PGID` and `- PGID` lines; when its input ends, ends the process groups that are left.
 * A shell, since one that does nothing but wait takes a megabyte. Some take no `--` after `kill -TERM`.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group"; done
[ "$groups" = ' ' ] || sleep 2
for group in $groups; do kill -s KILL -- "-$group"; done
`;

/**
 * Ends the agents of a worker that is gone, `kill -9` included: a small process of its own session
 * that holds a pipe to the worker, which the kernel closes when the worker ends in whatever way.
 */
export class Guard {
  readonly #groups = new Set<number>();
  #process: ChildProcess | undefined;
  #closed = false;

  /** To be called at once after an agent was spawned as leader of its process group. */
  add(group: number): void {
    this.#groups.add(group);
    if (this.#process === undefined) this.#start();
    else this.#process.stdin!.write(`+ ${group}\n`);
  }

  remove(group: number): void {
    if (this.#groups.delete(group)) this.#process?.stdin!.write(`- ${group}\n`);
  }

  /** Lets the guard end, and with it every process group that has not been removed. */
  close(): void {
    this.#closed = true;
    this.#process?.stdin!.end();
  }

  #start(): void {
    const guard = spawn('/bin/sh', ['-c', SCRIPT], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#process = guard;
    // A guard that was killed is replaced below.
    guard.stdin.on('error', () => {});
    guard.on('exit', () => {
      this.#process = undefined;
      if (!this.#closed && this.#groups.size > 0) this.#start();
    });
    guard.unref();
    for (const group of this.#groups) guard.stdin.write(`+ ${group}\n`);
  }
}
