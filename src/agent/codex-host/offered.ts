import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RUN_FOLDER_PREFIX } from '../leftovers.js';
import { removeTree } from '../remove-tree.js';

/**
 * Whether the installed `codex app-server` takes tools that its client runs. It tells by the schema of its
 * protocol: what it does not know in a request, it passes over in silence.
 */
export async function hostingOffered(
  run: (...args: string[]) => Promise<string>,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), RUN_FOLDER_PREFIX));
  try {
    await run('app-server', 'generate-json-schema', '--experimental', '--out', folder);
    const schema = await readFile(join(folder, 'v2/ThreadStartParams.json'), 'utf8');
    return schema.includes('"dynamicTools"');
  } catch {
    return false;
  } finally {
    await removeTree(folder);
  }
}
