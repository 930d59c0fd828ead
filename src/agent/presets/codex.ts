import type { FailureClass, Usage } from '../../job.js';
import { REPORT_TOOL } from '../../report/report-tool.js';
import { type Event, list, object, parseEvent, text, tokens } from '../../transcript/event.js';
import { hostArguments } from '../codex-host/arguments.js';
import { hostingOffered } from '../codex-host/offered.js';
import { classOf } from './failure-class.js';
import type { AgentProgram, EventReader, Run, Told } from './program.js';

const SERVER = 'mcp_servers.agent_jobs';

// By settings, since --disable would count more than a user's --enable.
const SETTINGS = [
  // A login shell for each agent, whose environment would spare its commands theirs: it costs more than all
  // else together.
  ...setting('features.shell_snapshot', false),
  // An experiment of its makers, for each request: which skills another way of choosing would have found. It
  // is logged, and the agent gets the same.
  ...setting('features.skill_search', false),
  // It would wait for a model that cannot be reached until its time is over.
  ...setting('features.unbounded_connection_retries', false),
];

/** A thread is let go of with its run. Otherwise it is kept for a minute, and close to a megabyte with it. */
const HOST_SETTINGS = setting('thread_unload_delay_secs', 0);

/** OpenAI's Codex: one `codex app-server` for a job, or `codex exec` for each row. */
export const codex: AgentProgram = {
  title: 'Codex',
  executable: 'codex',
  npmPackage: '@openai/codex',
  minVersion: '0.169.0',
  args: ({ mcpUrl, tokenVariable }) => [
    'exec',
    '--json',
    '--ephemeral',
    '--skip-git-repo-check',
    ...setting(`${SERVER}.url`, mcpUrl),
    ...setting(`${SERVER}.bearer_token_env_var`, tokenVariable),
    // Without it, a model is asked before the tool is there.
    ...setting(`${SERVER}.required`, true),
    ...setting(`${SERVER}.startup_timeout_sec`, 120),
    ...setting(`${SERVER}.tool_timeout_sec`, 180),
    // Nobody is there to approve the call, whatever the sandbox.
    ...setting(`${SERVER}.default_tools_approval_mode`, 'approve'),
    ...SETTINGS,
  ],
  hosting: {
    args: (own) => {
      const hosted = hostArguments(own);
      return hosted && ['app-server', ...SETTINGS, ...HOST_SETTINGS, ...hosted];
    },
    offered: hostingOffered,
  },
  discover: otherServersOff,
  passEnv: () => [
    'CODEX_HOME',
    'CODEX_API_KEY',
    'CODEX_CA_CERTIFICATE',
    'OPENAI_*',
    'AZURE_OPENAI_*',
  ],
  env: {},
  reader: () => new CodexReader(),
};

/**
 * The user's own MCP servers are not started for agents: each would be started once per row, and one
 * that starts jobs would not even know that it is inside of one. `-- -c mcp_servers.NAME.enabled=true`
 * brings one back.
 */
async function otherServersOff(run: Run): Promise<string[]> {
  const servers = list(JSON.parse(await run('mcp', 'list', '--json')));
  return servers
    .map((server) => text(object(server)['name']))
    .flatMap((name) =>
      setting(`mcp_servers.${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}.enabled`, false),
    );
}

function setting(key: string, value: string | number | boolean): string[] {
  // TOML takes the strings, numbers and booleans of JSON.
  return ['-c', `${key}=${JSON.stringify(value)}`];
}

/** Reads the events of `codex exec --json`, which a host's runs have, too. */
class CodexReader implements EventReader {
  #usage: Usage | undefined;
  #said = '';
  #failure: Failure | undefined;
  #callFailure: Failure | undefined;

  line(line: string): void {
    const event = parseEvent(line);
    switch (event?.type) {
      case 'turn.completed':
        this.#usage = usageOf(event['usage']);
        this.#failure = undefined;
        break;
      case 'turn.failed':
        this.#usage = usageOf(event['usage']);
        this.#fails(object(event['error']));
        break;
      case 'turn.interrupted':
        this.#usage = usageOf(event['usage']);
        break;
      case 'error':
        // It may try again, and succeed.
        this.#fails(event);
        break;
      case 'item.completed':
        this.#item(object(event['item']));
        break;
    }
  }

  told(errors: string): Told {
    const failure = this.#failure ?? this.#callFailure ?? startFailure(errors);
    const message = failure?.message ?? this.#said;
    return {
      ...(this.#usage && { usage: this.#usage }),
      ...(failure?.class && { failure_class: failure.class }),
      ...(message !== '' && { message }),
    };
  }

  #fails({ message }: Event): void {
    this.#failure = { message: text(message), class: classOf(text(message)) };
  }

  #item(item: Event): void {
    if (item.type === 'agent_message') this.#said = text(item['text']);
    if (item.type !== 'mcp_tool_call' || item['tool'] !== REPORT_TOOL) return;
    const message = text(object(item['error'])['message']);
    // A refused report is an answer, and no error of the call.
    this.#callFailure =
      message === ''
        ? undefined
        : {
            message,
            class: /approv|reject|denied/i.test(message) ? 'permission_denied' : 'tool_unavailable',
          };
  }
}

interface Failure {
  message: string;
  class: FailureClass | undefined;
}

/** What it says on standard error, and nowhere else. */
function startFailure(errors: string): Failure | undefined {
  const line = errors
    .split('\n')
    .findLast((each) => /MCP servers failed to initialize|unsupported call:/.test(each));
  return line === undefined ? undefined : { message: line, class: 'tool_unavailable' };
}

/** Of a turn that has not completed, `codex exec` gives none. */
function usageOf(used: unknown): Usage | undefined {
  if (used === undefined) return undefined;
  const usage = object(used);
  return {
    input_tokens: tokens(usage['input_tokens']),
    cached_input_tokens: tokens(usage['cached_input_tokens']),
    output_tokens: tokens(usage['output_tokens']),
  };
}
