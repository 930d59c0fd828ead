import type { RunningAgent } from '../agent/running-agent.js';
import { type ProcessAgent, clip } from '../job.js';
import { transcript } from '../transcript/transcript.js';

/** An event of a program may have an answer of a tool. */
const EVENTS_BYTES = 64 * 1024;
const MAX_CHARS = 200;

/** What an agent has said last, of a program that is known as its transcript has it; empty where that is nothing. */
export function lastLineOf(running: RunningAgent, agent: ProcessAgent): string {
  if (!('preset' in agent)) return shown(running.lastLine());
  const end = running.output.end(EVENTS_BYTES);
  // What is cut off is no event.
  const events = end.length < EVENTS_BYTES ? end : end.slice(end.indexOf('\n') + 1);
  return shown(transcript(agent.preset, events).findLast((line) => line.trim() !== '') ?? '');
}

function shown(line: string): string {
  return clip(oneLine(line), MAX_CHARS);
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
