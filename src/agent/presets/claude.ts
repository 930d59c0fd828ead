import { type FailureClass, type Usage, addUsage } from '../../job.js';
import { REPORT_TOOL } from '../../report/report-tool.js';
import { type Event, list, object, parseEvent, text, tokens } from './event.js';
import { classOf } from './failure-class.js';
import type { AgentProgram, EventReader, Told } from './program.js';

const SERVER = 'agent_jobs';
const TOOL = `mcp__${SERVER}__${REPORT_TOOL}`;

/** Anthropic's Claude Code, as `claude -p`. */
export const claude: AgentProgram = {
  title: 'Claude Code',
  executable: 'claude',
  npmPackage: '@anthropic-ai/claude-code',
  minVersion: '2.1.0',
  args: ({ mcpUrl, tokenVariable }) => [
    '--print',
    '--output-format=stream-json',
    '--verbose',
    '--no-session-persistence',
    `--mcp-config=${mcpConfig(mcpUrl, tokenVariable)}`,
    '--strict-mcp-config',
    `--allowedTools=${TOOL}`,
  ],
  passEnv: (environment) => [
    'ANTHROPIC_*',
    'CLAUDE_CONFIG_DIR',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_VERTEX',
    ...(environment['CLAUDE_CODE_USE_BEDROCK'] ? ['AWS_*'] : []),
    ...(environment['CLAUDE_CODE_USE_VERTEX'] ? ['GOOGLE_*', 'CLOUD_ML_REGION', 'VERTEX_*'] : []),
  ],
  env: {
    // Many at once: none is to update the program, or to send anything but what the task takes.
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  },
  reader: () => new ClaudeReader(),
};

function mcpConfig(url: string, tokenVariable: string): string {
  // Claude Code puts the variable's value in.
  const headers = { Authorization: `Bearer \${${tokenVariable}}` };
  return JSON.stringify({ mcpServers: { [SERVER]: { type: 'http', url, headers } } });
}

/** Reads the events of `claude --output-format stream-json`. */
class ClaudeReader implements EventReader {
  /** By message: each of its content blocks comes as an event of its own, with the usage so far. */
  readonly #messages = new Map<unknown, Usage>();
  #total: Usage | undefined;
  #said = '';
  #error = '';
  #class: FailureClass | undefined;

  line(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) return;
    switch (event.type) {
      case 'system':
        if (event['subtype'] === 'init') this.#begins(event);
        break;
      case 'assistant':
        this.#speaks(object(event['message']));
        break;
      case 'result':
        this.#ends(event);
        break;
    }
  }

  told(): Told {
    const usage = this.#total ?? sum(this.#messages.values());
    const message = this.#error || this.#said;
    return {
      ...(usage && { usage }),
      ...(this.#class && { failure_class: this.#class }),
      ...(message !== '' && { message }),
    };
  }

  #begins(event: Event): void {
    const server = list(event['mcp_servers'])
      .map(object)
      .find(({ name }) => name === SERVER);
    if (server === undefined || list(event['tools']).includes(TOOL)) return;
    if (server['status'] !== 'failed') return;
    this.#class = 'tool_unavailable';
    this.#error = 'it could not reach the MCP server of its report tool';
  }

  #speaks(message: Event): void {
    if (message['id'] !== undefined && message['model'] !== '<synthetic>') {
      this.#messages.set(message['id'], usageOf(object(message['usage'])));
    }
    const said = list(message['content']).map((block) => text(object(block)['text']));
    this.#said = said.findLast((each) => each !== '') ?? this.#said;
  }

  #ends(event: Event): void {
    const cost = event['total_cost_usd'];
    this.#total = {
      ...usageOf(object(event['usage'])),
      ...(typeof cost === 'number' && { cost_usd: cost }),
    };
    const denied = list(event['permission_denials'])
      .map(object)
      .find(({ tool_name }) => tool_name === TOOL);
    if (denied !== undefined) {
      this.#class = 'permission_denied';
      this.#error = 'it was not allowed to use its report tool';
    }
    const said = text(event['result']) || list(event['errors']).map(text).join('; ');
    if (event['is_error'] === true) {
      this.#error = said || text(event['subtype']);
      this.#class = classOf(this.#error) ?? this.#class;
    } else if (said !== '') {
      this.#said = said;
    }
    if (event['stop_reason'] === 'refusal') this.#class = 'refusal';
  }
}

function usageOf(usage: Event): Usage {
  const cached = tokens(usage['cache_read_input_tokens']);
  const written = tokens(usage['cache_creation_input_tokens']);
  return {
    input_tokens: tokens(usage['input_tokens']) + cached + written,
    cached_input_tokens: cached,
    output_tokens: tokens(usage['output_tokens']),
  };
}

function sum(usages: Iterable<Usage>): Usage | undefined {
  const [first, ...others] = usages;
  return first && others.reduce(addUsage, first);
}
