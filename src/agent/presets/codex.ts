import type { FailureClass, Usage } from '../../job.js';
import { REPORT_TOOL } from '../../report/report-tool.js';
import { type Event, object, parseEvent, text, tokens } from './event.js';
import { classOf } from './failure-class.js';
import type { AgentProgram, EventReader, Told } from './program.js';

const SERVER = 'mcp_servers.agent_jobs';

/** OpenAI's Codex, as `codex exec`. */
export const codex: AgentProgram = {
  title: 'Codex',
  executable: 'codex',
  npmPackage: '@openai/codex',
  minVersion: '0.150.0',
  args: ({ mcpUrl, tokenVariable }) => [
    'exec',
    '--json',
    '--ephemeral',
    '--skip-git-repo-check',
    ...setting(`${SERVER}.url`, mcpUrl),
    ...setting(`${SERVER}.bearer_token_env_var`, tokenVariable),
    // Without it, a model is asked before the tool is there.
    ...setting(`${SERVER}.required`, true),
    ...setting(`${SERVER}.startup_timeout_sec`, 60),
    ...setting(`${SERVER}.tool_timeout_sec`, 180),
    // Nobody is there to approve the call, whatever the sandbox.
    ...setting(`${SERVER}.default_tools_approval_mode`, 'approve'),
  ],
  passEnv: () => ['CODEX_HOME', 'CODEX_API_KEY', 'OPENAI_*', 'AZURE_OPENAI_*'],
  env: {},
  reader: () => new CodexReader(),
};

function setting(key: string, value: string | number | boolean): string[] {
  // TOML takes the strings, numbers and booleans of JSON.
  return ['-c', `${key}=${JSON.stringify(value)}`];
}

/** Reads the events of `codex exec --json`. */
class CodexReader implements EventReader {
  #usage: Usage | undefined;
  #error = '';
  #said = '';
  #class: FailureClass | undefined;

  line(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) return;
    switch (event.type) {
      case 'turn.completed':
        // Of the whole session so far.
        this.#usage = usageOf(object(event['usage']));
        break;
      case 'turn.failed':
        this.#fails(text(object(event['error'])['message']));
        break;
      case 'error':
        this.#fails(text(event['message']));
        break;
      case 'item.completed':
        this.#item(object(event['item']));
        break;
    }
  }

  told(): Told {
    const message = this.#error || this.#said;
    return {
      ...(this.#usage && { usage: this.#usage }),
      ...(this.#class && { failure_class: this.#class }),
      ...(message !== '' && { message }),
    };
  }

  #fails(message: string): void {
    if (message === '') return;
    this.#error = message;
    this.#class = classOf(message) ?? this.#class;
  }

  #item(item: Event): void {
    switch (item.type) {
      case 'agent_message':
        this.#said = text(item['text']);
        break;
      case 'mcp_tool_call':
        if (item['tool'] === REPORT_TOOL) this.#call(item);
        break;
    }
  }

  #call(item: Event): void {
    const message = text(object(item['error'])['message']);
    if (item['status'] !== 'failed' || message === '') return;
    if (/rejected|denied|not allowed|approv|cancel/i.test(message))
      this.#class = 'permission_denied';
    else this.#class = 'tool_unavailable';
    this.#error = message;
  }
}

function usageOf(usage: Event): Usage {
  return {
    input_tokens: tokens(usage['input_tokens']),
    cached_input_tokens: tokens(usage['cached_input_tokens']),
    output_tokens: tokens(usage['output_tokens']),
  };
}
