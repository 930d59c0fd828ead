/** Agents end with their worker, however it ends. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { ROOT, until } from './support/site.js';

interface Guarded {
  process: ChildProcess;
  /** What it starts, as leaders of their process groups. */
  groups: number[];
  /** Lets go of the last one. */
  release: () => Promise<void>;
}

/** Starts a process that guards these. */
async function guarded(...shell: string[]): Promise<Guarded> {
  const process = spawn(
    execPath,
    ['--import', 'tsx', join(ROOT, 'test/support/guarded.ts'), ...shell],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines: string[] = [];
  createInterface(process.stdout).on('line', (line) => lines.push(line));
  await until('the agents', () => lines.length === shell.length);
  return {
    process,
    groups: lines.map(Number),
    release: async () => {
      process.stdin.write('\n');
      await until('the release', () => lines.at(-1) === 'removed');
    },
  };
}

/** The members of process groups that are not zombies: `pgid pid`. */
function members(groups: number[]): string[] {
  return execFileSync('ps', ['-eo', 'pgid=,pid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([pgid, , stat]) => groups.includes(Number(pgid)) && !stat!.startsWith('Z'))
    .map(([pgid, pid]) => `${pgid} ${pid}`);
}

const SLEEPS = 'exec sleep 1000';
const WITH_CHILD = 'sleep 1000 & wait';
const LEFT_BEHIND = 'sleep 1000 &';
const STUBBORN = `trap '' TERM; while :; do sleep 1; done`;

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a worker that ends by ${signal} leaves no process of an agent`, async () => {
    const { process: worker, groups } = await guarded(SLEEPS, WITH_CHILD, LEFT_BEHIND, STUBBORN);
    await until('the agents', () => members(groups).length >= 5);
    worker.kill(signal);
    await until('their end', () => members(groups).length === 0);
  });
}

test('a guard that is killed is replaced', async () => {
  const { process: worker, groups } = await guarded(SLEEPS, SLEEPS);
  const guards = () =>
    execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.trim().split(/ +/))
      .filter(
        ([ppid, , program, option]) =>
          Number(ppid) === worker.pid && program === '/bin/sh' && option === '-c',
      )
      .map(([, pid]) => Number(pid))
      .filter((pid) => !groups.includes(pid));
  const [first] = await until('the guard', () => guards().length === 1 && guards());
  process.kill(first!, 'SIGKILL');
  await until('another one', () => guards().length === 1 && guards()[0] !== first);
  worker.kill('SIGKILL');
  await until('the end of the agents', () => members(groups).length === 0);
});

test('what the guard was told to let go is let be', async () => {
  const { process: worker, groups, release } = await guarded(SLEEPS, SLEEPS, SLEEPS);
  const [a, b, released] = groups as [number, number, number];
  await release();
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  await until('the end of the others', () => members([a, b]).length === 0);
  assert.equal(members([released]).length, 1);
  process.kill(-released, 'SIGKILL');
});
