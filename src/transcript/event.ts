/** An event of a program that prints JSON lines; its fields are not relied on. */
export type Event = { [key: string]: unknown; type?: unknown };

/** @returns undefined where the line is none. */
export function parseEvent(line: string): Event | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Event;
  } catch {
    return undefined;
  }
}

export function object(value: unknown): Event {
  return typeof value === 'object' && value !== null ? (value as Event) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

const MAX_SHOWN = 2000;

/** What a tool took or gave, no longer than people read. */
export function shortened(content: string | undefined): string {
  const whole = (content ?? '').trimEnd();
  return whole.length <= MAX_SHOWN ? whole : `${whole.slice(0, MAX_SHOWN).toWellFormed()}…`;
}

export function tokens(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
