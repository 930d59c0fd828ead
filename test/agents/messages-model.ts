/** A mock of Anthropic's Messages API, as Claude Code asks it: streaming, with its own tools. */
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

interface Block {
  type: string;
  text?: string;
}

interface MessagesRequest {
  model: string;
  stream?: boolean;
  messages: { role: string; content: string | Block[] }[];
  tools?: { name?: string }[];
}

/** The tokens of every answer. */
export const MESSAGES_USAGE = {
  input_tokens: 1200,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 1000,
  output_tokens: 30,
};

const FAILURES: Record<Failure, { status: number; type: string; message: string }> = {
  'rate-limited': {
    status: 429,
    type: 'rate_limit_error',
    message: "This request would exceed your account's rate limit. Please try again later.",
  },
  quota: {
    status: 400,
    type: 'invalid_request_error',
    message:
      'Your credit balance is too low to access the Anthropic API. ' +
      'Please go to Plans & Billing to upgrade or purchase credits.',
  },
  unauthorized: { status: 401, type: 'authentication_error', message: 'invalid x-api-key' },
  overloaded: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
};

function blocksOf({ messages }: MessagesRequest): Block[] {
  return messages
    .filter(({ role }) => role === 'user')
    .flatMap(({ content }) =>
      typeof content === 'string' ? [{ type: 'text', text: content }] : content,
    );
}

function contentOf({ tools = [] }: MessagesRequest, step: Step): [Block, StreamEvent['delta']] {
  if (step.kind !== 'call') {
    const text = step.kind === 'say' || step.kind === 'refuse' ? step.text : '';
    return [
      { type: 'text', text: '' },
      { type: 'text_delta', text },
    ];
  }
  const names = tools.flatMap(({ name }) => name ?? []);
  const block = {
    type: 'tool_use',
    id: `toolu_${randomUUID().replaceAll('-', '')}`,
    name: fullName(names, step.tool),
    input: {},
  };
  return [block, { type: 'input_json_delta', partial_json: JSON.stringify(step.args) }];
}

function stopReason({ kind }: Step): string {
  if (kind === 'call') return 'tool_use';
  return kind === 'refuse' ? 'refusal' : 'end_turn';
}

function eventsOf(request: MessagesRequest, step: Step): StreamEvent[] {
  const [content_block, delta] = contentOf(request, step);
  const message = {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...MESSAGES_USAGE, output_tokens: 1 },
  };
  return [
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: stopReason(step), stop_sequence: null },
      usage: MESSAGES_USAGE,
    },
    { type: 'message_stop' },
  ];
}

/** A side request, for a title or so, is not streamed, or has no tools. */
function sendMessage(response: ServerResponse, request: MessagesRequest): void {
  sendJson(response, 200, {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content: [{ type: 'text', text: 'OK' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: MESSAGES_USAGE,
  });
}

function answer(body: unknown, response: ServerResponse): void {
  const request = body as MessagesRequest;
  const blocks = blocksOf(request);
  const prompt = blocks.map(({ text }) => text ?? '').join('\n');
  const answered = blocks.filter(({ type }) => type === 'tool_result').length;
  const step = nextStep(prompt, answered);
  if (step.kind === 'hang') return;
  if (step.kind === 'fail') {
    const { status, type, message } = FAILURES[step.failure];
    const request_id = `req_${randomUUID().replaceAll('-', '')}`;
    // The service sends this header, and the program waits for as long as it says.
    const headers = status === 429 ? { 'retry-after': '1' } : undefined;
    sendJson(response, status, { type: 'error', error: { type, message }, request_id }, headers);
  } else if (request.stream) {
    sendEvents(response, eventsOf(request, step));
  } else {
    sendMessage(response, request);
  }
}

/** Its `url` is what ANTHROPIC_BASE_URL says. */
export function startMessagesModel(): Promise<ModelServer> {
  return startModelServer('/v1/messages', answer, (path) =>
    path.endsWith('/count_tokens') ? { input_tokens: 1200 } : { data: [], has_more: false },
  );
}
