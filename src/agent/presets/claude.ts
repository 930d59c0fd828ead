import { type FailureClass, type Usage, addUsage } from '../../job.js';
import { REPORT_TOOL } from '../../report/report-tool.js';
import { type Event, list, object, parseEvent, text, tokens } from '../../transcript/event.js';
import { classOf } from './failure-class.js';
import type { AgentProgram, EventReader, Told } from './program.js';

const SERVER = 'agent_jobs';
const TOOL = `mcp__${SERVER}__${REPORT_TOOL}`;
const CONNECT_TIMEOUT_MS = 120_000;

/** Anthropic's Claude Code, as `claude -p`. */
export const claude: AgentProgram = {
  title: 'Claude Code',
  executable: 'claude',
  npmPackage: '@anthropic-ai/claude-code',
  minVersion: '2.1.197',
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
    'CLAUDE_CODE_MAX_RETRIES',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_VERTEX',
    ...(environment['CLAUDE_CODE_USE_BEDROCK'] ? ['AWS_*'] : []),
    ...(environment['CLAUDE_CODE_USE_VERTEX'] ? ['GOOGLE_*', 'CLOUD_ML_REGION', 'VERTEX_*'] : []),
  ],
  env: {
    // Many at once: none is to update the program, or to send anything but what the task takes.
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    // Its 5 s are not enough on a busy host, and it would go on without the tool.
    MCP_CONNECT_TIMEOUT_MS: String(CONNECT_TIMEOUT_MS),
    MCP_TIMEOUT: String(CONNECT_TIMEOUT_MS),
  },
  reader: () => new ClaudeReader(),
};

function mcpConfig(url: string, tokenVariable: string): string {
  // Claude Code puts the variable's value in.
  const headers = { Authorization: `Bearer \${${tokenVariable}}` };
  // Has it wait for the server before it asks the model, and show the tool without being searched for.
  const alwaysLoad = true;
  return JSON.stringify({ mcpServers: { [SERVER]: { type: 'http', url, headers, alwaysLoad } } });
}

/** Reads the events of `claude --output-format stream-json`. */
class ClaudeReader implements EventReader {
  /** By message: each of its content blocks comes as an event of its own, with the usage so far. */
  readonly #messages = new Map<unknown, Usage>();
  #total: Usage | undefined;
  #said = '';
  #error = '';
  #class: FailureClass | undefined;
  /** What the service last answered, where that was an error. */
  #serviceError: FailureClass | undefined;
  #limit: { resetsAt: unknown } | undefined;

  line(line: string): void {
    const event = parseEvent(line);
    switch (event?.type) {
      case 'system':
        if (event['subtype'] === 'init') this.#begins(event);
        else if (event['subtype'] === 'api_retry') this.#triesAgain(event);
        break;
      case 'assistant':
        this.#speaks(event);
        break;
      case 'rate_limit_event':
        this.#meetsLimit(object(event['rate_limit_info']));
        break;
      case 'result':
        this.#ends(event);
        break;
    }
  }

  told(): Told {
    const usage = this.#total ?? sum(this.#messages.values());
    const message = this.#error || this.#said;
    const failure_class = this.#class ?? (this.#limit && 'quota') ?? this.#serviceError;
    const seconds = this.#limit?.resetsAt;
    return {
      ...(usage && { usage }),
      ...(failure_class && { failure_class }),
      ...(message !== '' && { message }),
      ...(typeof seconds === 'number' && { resets_at: seconds * 1000 }),
    };
  }

  /** Comes with each answer of the service; mostly, the limit is only nearer than it was. */
  #meetsLimit(info: Event): void {
    this.#limit = info['status'] === 'rejected' ? { resetsAt: info['resetsAt'] } : undefined;
  }

  /** Without its server it goes on without the tool. */
  #begins(event: Event): void {
    const server = list(event['mcp_servers'])
      .map(object)
      .find(({ name }) => name === SERVER);
    if (list(event['tools']).includes(TOOL)) return;
    const status = text(server?.['status']);
    if (status === 'connected') {
      this.#denied();
    } else {
      this.#class = 'tool_unavailable';
      this.#error = `its report tool is not there: MCP server ${status || 'missing'}`;
    }
  }

  #denied(): void {
    this.#class = 'permission_denied';
    this.#error = 'it is not allowed to use its report tool';
  }

  #triesAgain(event: Event): void {
    this.#serviceError = CLASSES[text(event['error'])] ?? 'model_unreachable';
  }

  #speaks({ message: spoken, error }: Event): void {
    const message = object(spoken);
    this.#serviceError = CLASSES[text(error)];
    if (error === undefined) this.#messages.set(message['id'], usageOf(object(message['usage'])));
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
      .some(({ tool_name }) => tool_name === TOOL);
    if (denied) this.#denied();
    if (event['is_error'] !== true) return;
    this.#error = text(event['result']) || list(event['errors']).map(text).join('; ');
    if (event['stop_reason'] === 'refusal') this.#class = 'refusal';
    else if (this.#limit === undefined) this.#class = this.#serviceError ?? classOf(this.#error);
  }
}

/** By what Claude Code calls an error of the service. */
const CLASSES: Record<string, FailureClass> = {
  rate_limit: 'rate_limited',
  billing_error: 'quota',
  authentication_failed: 'login',
  server_error: 'model_unreachable',
};

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
