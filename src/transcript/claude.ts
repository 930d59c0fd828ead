import { type Event, list, object, shortened, text } from './event.js';

/** An event of `claude --output-format stream-json`, for people. */
export function claudeTranscript(event: Event): string[] {
  switch (event.type) {
    case 'assistant':
    case 'user':
      return list(object(event['message'])['content']).map(object).flatMap(block);
    case 'system':
      return event['subtype'] === 'api_retry'
        ? [`! the service answered ${text(event['error'])}; tried again`]
        : [];
    case 'result':
      return event['is_error'] === true ? [`! ${text(event['result'])}`] : [];
    default:
      return [];
  }
}

function block(content: Event): string[] {
  switch (content.type) {
    case 'text':
      return [text(content['text'])];
    case 'thinking':
      return [text(content['thinking'])];
    case 'tool_use':
      return [`> ${text(content['name'])} ${shortened(JSON.stringify(content['input']))}`];
    case 'tool_result':
      return [shortened(resultText(content['content']))];
    default:
      return [];
  }
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => text(object(part)['text']))
    .join('\n');
}
