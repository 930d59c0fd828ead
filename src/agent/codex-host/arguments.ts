const MODES = ['read-only', 'workspace-write', 'danger-full-access'];

/**
 * The arguments of `codex app-server` for what a user adds to `codex exec`.
 * @returns undefined where it takes more than settings: an argument of `exec` alone, one that `exec` is to
 *   refuse, or an MCP server, which is started for a row and ends with it.
 */
export function hostArguments(args: string[]): string[] | undefined {
  const rest = [...args];
  const settings: string[] = [];
  let model: string | undefined;
  let sandbox: string | undefined;
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, flag, joined] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [undefined, argument, undefined];
    const value = joined ?? rest.shift();
    if (value === undefined) return undefined;
    switch (flag) {
      case '-c':
      case '--config':
        if (/^\s*"?mcp_servers\b/.test(value)) return undefined;
        settings.push('-c', value);
        break;
      case '--enable':
      case '--disable':
        settings.push(flag, value);
        break;
      case '-m':
      case '--model':
        if (model !== undefined) return undefined;
        model = value;
        break;
      case '-s':
      case '--sandbox':
        if (sandbox !== undefined || !MODES.includes(value)) return undefined;
        sandbox = value;
        break;
      default:
        return undefined;
    }
  }
  // Last, since for `exec` they count more than settings.
  if (model !== undefined) settings.push('-c', `model=${JSON.stringify(model)}`);
  if (sandbox !== undefined) settings.push('-c', `sandbox_mode=${JSON.stringify(sandbox)}`);
  return settings;
}
