import type { Preset } from '../../job.js';
import { parseEvent } from './event.js';
import { PROGRAMS } from './program.js';

/** What a program's output says, for people: its events as text, and all else as it is. */
export function transcript(preset: Preset, output: string): string[] {
  const program = PROGRAMS[preset];
  return output
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const event = parseEvent(line);
      return event === undefined ? [line] : program.transcript(event);
    });
}
