/** A mock of OpenAI's Responses API, as Codex asks it: streaming, with its own tools in the request. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import {
  type ModelServer,
  sendEvents,
  sendJson,
  startModelServer,
  type StreamEvent,
} from './model-server.js';
import { type Failure, fullName, nextStep, type Step } from './script.js';

/** A tool of a request. Codex sends those of an MCP server in one namespace. */
interface Tool {
  type: string;
  name?: string;
  tools?: Tool[];
}

interface Item {
  type: string;
  role?: string;
  content?: { type: string; text?: string }[];
  /** For a model that runs code, the tools are an item of the input. */
  tools?: Tool[];
}

interface ResponsesRequest {
  input: Item[];
  tools?: Tool[];
}

/** The tokens of every answer. */
export const RESPONSES_USAGE = {
  input_tokens: 1200,
  input_tokens_details: { cached_tokens: 1000 },
  output_tokens: 30,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 1230,
};

const FAILURES: Record<Failure, { status: number; error: Record<string, unknown> }> = {
  'rate-limited': {
    status: 429,
    error: {
      message:
        'Rate limit reached for mock-model in organization org-mock on tokens per min (TPM): ' +
        'Limit 30000, Used 29800, Requested 1200. Please try again in 2s.',
      type: 'tokens',
      param: null,
      code: 'rate_limit_exceeded',
    },
  },
  quota: {
    status: 429,
    error: {
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      param: null,
      code: 'insufficient_quota',
    },
  },
  unauthorized: {
    status: 401,
    error: {
      message: 'Incorrect API key provided: sk-mock.',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    },
  },
  overloaded: {
    status: 503,
    error: {
      message: 'The server is currently overloaded. Please try again later.',
      type: 'server_error',
      param: null,
      code: 'server_is_overloaded',
    },
  },
};

function promptOf({ input }: ResponsesRequest): string {
  return input
    .filter(({ type, role }) => type === 'message' && role === 'user')
    .flatMap(({ content }) => content ?? [])
    .map(({ text }) => text ?? '')
    .join('\n');
}

/** Whether the model is one that calls all other tools from code. */
function runsCode({ input }: ResponsesRequest): boolean {
  return input.some(({ tools = [] }) =>
    tools.some(({ tools: inner = [] }) => inner.some(({ name }) => name === 'exec')),
  );
}

/** JavaScript that calls a tool, which has first to be found: an MCP server's are not described. */
function codeOf(tool: string, args: Record<string, unknown>): string {
  const name = JSON.stringify(tool);
  return `
    const tool = ALL_TOOLS.find(({ name }) => name.endsWith(${name}));
    text(tool ? await tools[tool.name](${JSON.stringify(args)}) : 'There is no ' + ${name});
  `;
}

/** A call names its tool and, apart, the namespace of the tool. */
function callOf({ tools = [] }: ResponsesRequest, tool: string): Record<string, string> {
  for (const { type, name: namespace, tools: inner = [] } of tools) {
    if (type !== 'namespace' || namespace === undefined) continue;
    const name = fullName(
      inner.flatMap(({ name }) => name ?? []),
      tool,
    );
    if (inner.some((each) => each.name === name)) return { name, namespace };
  }
  return {
    name: fullName(
      tools.flatMap(({ name }) => name ?? []),
      tool,
    ),
  };
}

function outputOf(request: ResponsesRequest, step: Step): Record<string, unknown> {
  const id = randomUUID();
  if (step.kind === 'call' && runsCode(request)) {
    return {
      id: `ctc_${id}`,
      type: 'custom_tool_call',
      status: 'completed',
      call_id: `call_${id}`,
      name: 'exec',
      namespace: 'functions',
      input: codeOf(step.tool, step.args),
    };
  }
  if (step.kind === 'call') {
    return {
      id: `fc_${id}`,
      type: 'function_call',
      status: 'completed',
      call_id: `call_${id}`,
      ...callOf(request, step.tool),
      arguments: JSON.stringify(step.args),
    };
  }
  const content =
    step.kind === 'refuse'
      ? { type: 'refusal', refusal: step.text }
      : { type: 'output_text', text: step.kind === 'say' ? step.text : '', annotations: [] };
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    status: 'completed',
    content: [content],
  };
}

function eventsOf(request: ResponsesRequest, step: Step): StreamEvent[] {
  const response = { id: `resp_${randomUUID()}`, object: 'response', model: 'mock-model' };
  const item = outputOf(request, step);
  return [
    { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 0, item },
    { type: 'response.output_item.done', output_index: 0, item },
    {
      type: 'response.completed',
      response: { ...response, status: 'completed', output: [item], usage: RESPONSES_USAGE },
    },
  ];
}

function answer(body: unknown, response: ServerResponse, told: (step: Step) => void): void {
  const request = body as ResponsesRequest;
  const answered = request.input.filter(({ type }) => type.endsWith('_call_output')).length;
  const step = nextStep(promptOf(request), answered);
  told(step);
  if (step.kind === 'hang') return;
  if (step.kind === 'fail') {
    const { status, error } = FAILURES[step.failure];
    sendJson(response, status, { error });
    return;
  }
  sendEvents(response, eventsOf(request, step));
}

/**
 * Its `url` is the base URL of a model provider of Codex.
 * @param told is told each step that the model takes.
 */
export async function startResponsesModel(
  told: (step: Step) => void = () => {},
): Promise<ModelServer> {
  const server = await startModelServer(
    '/v1/responses',
    (body, response) => answer(body, response, told),
    () => ({ object: 'list', data: [], models: [] }),
  );
  return { ...server, url: `${server.url}/v1` };
}
