import type { Preset } from '../job.js';
import { claudeTranscript } from './claude.js';
import { codexTranscript } from './codex.js';
import { type Event, parseEvent } from './event.js';

/** What an event says: nothing where it is of no interest. */
const TRANSCRIPTS: Record<Preset, (event: Event) => string[]> = {
  codex: codexTranscript,
  claude: claudeTranscript,
};

/** What a program's output says, for people: its events as text, and all else as it is. */
export function transcript(preset: Preset, output: string): string[] {
  return output
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const event = parseEvent(line);
      return event === undefined ? [line] : TRANSCRIPTS[preset](event);
    });
}
