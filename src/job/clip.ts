import { MAX_ERROR_CHARS } from './limits.js';

/** Cuts a text for people so that it stays within `max` characters, and says that it did. */
export function clip(text: string, max: number = MAX_ERROR_CHARS): string {
  if (text.length <= max) return text;
  // toWellFormed: the cut may fall between the two halves of a character.
  return `${text.slice(0, max - 1).toWellFormed()}…`;
}
