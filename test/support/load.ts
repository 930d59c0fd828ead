/** Puts the machine under load: busy processes, one more than it has cores. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** @returns what ends the load. */
export function load(): () => void {
  const busy: ChildProcess[] = [];
  for (let n = 0; n <= availableParallelism(); n += 1) {
    busy.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  }
  return () => {
    for (const one of busy) one.kill('SIGKILL');
  };
}
