/** Hosts that have nothing in common but the server and an object store. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Server } from './s3-server.js';
import type { Site } from './site.js';

/** What one host has: a folder of its own, and no job store in it. */
export interface Host {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

export async function hostOf(site: Site, s3: S3Server, name: string): Promise<Host> {
  const cwd = join(site.folder, 'hosts', name);
  await mkdir(cwd, { recursive: true, mode: 0o700 });
  const env: NodeJS.ProcessEnv = {
    ...site.processEnv,
    ...s3.env,
    HOME: cwd,
    XDG_STATE_HOME: join(cwd, 'state'),
  };
  delete env['AGENT_JOBS_STORE'];
  return { cwd, env };
}

/** The items whose agents have noted their start in a file, in that order. */
export async function started(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' ')[0]!);
}
