import { type Event, list, object, text } from '../../transcript/event.js';

/**
 * A notification of `codex app-server` as the event that `codex exec --json` prints of the same, so that
 * whoever reads the one reads the other.
 * @param usage of the thread so far, as the server last told it.
 * @returns undefined where `exec` prints nothing of it.
 */
export function execEvent(
  method: string,
  params: Event,
  usage: Event | undefined,
): Event | undefined {
  switch (method) {
    case 'turn/started':
      return { type: 'turn.started' };
    case 'turn/completed':
      return turnEnd(object(params['turn']), usage);
    case 'item/started':
    case 'item/completed':
      return itemEvent(method.replace('/', '.'), object(params['item']));
    case 'error':
      return { type: 'error', message: errorMessage(params['error']) };
    case 'warning':
      return { type: 'item.completed', item: { type: 'error', message: params['message'] } };
    default:
      return undefined;
  }
}

function turnEnd({ status, error }: Event, usage: Event | undefined): Event {
  const used = usage && { usage: snakeCased(usage) };
  switch (status) {
    case 'completed':
      return { type: 'turn.completed', ...used };
    case 'interrupted':
      return { type: 'turn.interrupted', ...used };
    default:
      return { type: 'turn.failed', error: { message: errorMessage(error) }, ...used };
  }
}

function errorMessage(error: unknown): string {
  const { message, additionalDetails: details } = object(error);
  return [message, details].map(text).filter(Boolean).join(' ');
}

function itemEvent(type: string, item: Event): Event | undefined {
  // The prompt.
  if (item.type === 'userMessage') return undefined;
  return { type, item: { ...snakeCased(item), type: snake(text(item.type)), ...asExec(item) } };
}

/** What `exec` gives in another shape. */
function asExec(item: Event): object {
  switch (item.type) {
    case 'reasoning':
      return { text: list(item['summary']).map(text).join('\n') };
    case 'fileChange': {
      const changes = list(item['changes']).map(object);
      return { changes: changes.map(({ path, kind }) => ({ path, kind: object(kind).type })) };
    }
    case 'dynamicToolCall': {
      const content = list(item['contentItems']).map((part) => ({
        type: 'text',
        text: object(part)['text'],
      }));
      return { result: { content }, content_items: undefined };
    }
    default:
      return {};
  }
}

/** The fields themselves; what is in them may be anybody's. */
function snakeCased(fields: Event): Event {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [snake(name), value]),
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
