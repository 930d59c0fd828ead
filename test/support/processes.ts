import { readFile } from 'node:fs/promises';

/** Whether a process has ended; its remains, not yet collected by its parent, count as ended. */
export async function isGone(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && / [ZX] /.test(stat.slice(stat.lastIndexOf(')')));
}

/** Whether no process of the group is left. */
export function isGroupGone(group: number): boolean {
  try {
    process.kill(-group, 0);
    return false;
  } catch {
    return true;
  }
}

/** The numbers in a file of one each line; none where the file is not there yet. */
export async function pidsIn(path: string): Promise<number[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}
