// A worker in little: starts the commands that it is given under a guard, prints their process IDs as
// lines, and stays. After a line on its input it lets go of the last one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Guard } from '../../src/agent/guard.js';

const guard = new Guard();
let last = 0;
for (const shell of process.argv.slice(2)) {
  const { pid } = spawn('/bin/sh', ['-c', shell], { detached: true, stdio: 'ignore' });
  guard.add(pid!);
  last = pid!;
  console.log(pid);
}
await once(process.stdin, 'data');
guard.remove(last);
console.log('removed');
setInterval(() => {}, 60_000);
