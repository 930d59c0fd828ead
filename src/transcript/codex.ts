import { type Event, list, object, shortened, text } from './event.js';

/** An event of `codex exec --json`, for people. */
export function codexTranscript(event: Event): string[] {
  switch (event.type) {
    case 'item.completed':
      return item(object(event['item']));
    case 'error':
      return [`! ${text(event['message'])}`];
    default:
      return [];
  }
}

function item(item: Event): string[] {
  switch (item.type) {
    case 'agent_message':
    case 'reasoning':
      return [text(item['text'])];
    case 'error':
      return [`! ${text(item['message'])}`];
    case 'command_execution':
      return [
        `$ ${text(item['command'])}`,
        shortened(text(item['aggregated_output'])),
        ...(item['exit_code'] === 0 ? [] : [`exit code ${JSON.stringify(item['exit_code'])}`]),
      ];
    case 'file_change':
      return list(item['changes'])
        .map(object)
        .map(({ kind, path }) => `${text(kind)} ${text(path)}`);
    case 'dynamic_tool_call':
    case 'mcp_tool_call': {
      const answer = list(object(item['result'])['content']).map((part) =>
        text(object(part)['text']),
      );
      const error = text(object(item['error'])['message']);
      return [
        `> ${text(item['tool'])} ${shortened(JSON.stringify(item['arguments']))}`,
        shortened(error === '' ? answer.join('\n') : `! ${error}`),
      ];
    }
    default:
      return [];
  }
}
