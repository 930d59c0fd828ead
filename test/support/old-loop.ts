/**
 * A small model of the loop that this project replaces, for tests that have to be known to be able to
 * fail: it starts agents until so many are in flight, and for each that has ended, one after the other,
 * sleeps 250 ms, looks whether a report is there by now, and else takes the agent for failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LIGHT_AGENT } from './light-agent.js';

const SLEEP_MS = 250;

/** @returns the IDs of the rows that it takes for failed. */
export async function oldLoop(rows: Record<string, string>, inFlight: number): Promise<string[]> {
  const reported = new Set<string>();
  const server = createServer((request, response) => {
    reported.add((request.headers.authorization ?? '').replace('Bearer ', ''));
    request.resume().on('end', () => response.end('{"accepted":true}'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;

  const waiting = Object.entries(rows);
  const running = new Map<string, Promise<unknown>>();
  const ended: string[] = [];
  const failed: string[] = [];
  while (waiting.length > 0 || running.size > 0) {
    while (running.size < inFlight && waiting.length > 0) {
      const [id, shell] = waiting.shift()!;
      const agent = startAgent(shell, { port, token: id });
      running.set(
        id,
        agent.then(() => ended.push(id)),
      );
    }
    if (ended.length === 0) await Promise.race(running.values());
    for (const id of ended.splice(0)) {
      running.delete(id);
      await delay(SLEEP_MS);
      if (!reported.has(id)) failed.push(id);
    }
  }
  server.close();
  return failed;
}

async function startAgent(shell: string, { port, token }: { port: number; token: string }) {
  const [program, ...args] = LIGHT_AGENT as [string, ...string[]];
  const agent = spawn(program, args, {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {
      ...process.env,
      AGENT_JOBS_REPORT_URL: `http://127.0.0.1:${port}/report`,
      AGENT_JOBS_REPORT_TOKEN: token,
    },
  });
  agent.stdin.end(shell);
  await once(agent, 'exit');
}
