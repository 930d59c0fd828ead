/** Stands in for Claude Code on a worker's PATH. */
import { chmod } from 'node:fs/promises';
import { LIGHT_AGENT } from './light-agent.js';
import type { Site } from './site.js';

/**
 * Has `claude` be a script of the given shell until the returned function is called; it has the prompt in
 * `$prompt`, and `report RESULT`.
 */
export async function standIn(site: Site, shell: string): Promise<() => void> {
  const script = `#!/bin/bash
if [ "$1" = --version ]; then echo '9.9.9 (Claude Code)'; exit; fi
prompt=$(cat)
report() { echo "report $1" | bash '${LIGHT_AGENT[1]}'; }
${shell}
`;
  const folder = `claude-${Math.random().toString(36).slice(2, 10)}`;
  await chmod(await site.file(`${folder}/claude`, script), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${site.folder}/${folder}:${path}`;
  return () => (process.env['PATH'] = path);
}
