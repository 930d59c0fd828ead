import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/**
 * Calls back with each line of a stream, as it ends. Only a line feed ends one: Node's readline also takes
 * U+2028 and the like for an end, which stand as they are within the strings of JSON.
 */
export function eachLine(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let parts: string[] = [];
  stream.on('data', (chunk: Buffer) => {
    const [first, ...others] = decoder.write(chunk).split('\n');
    parts.push(first!);
    for (const next of others) {
      onLine(parts.join(''));
      parts = [next];
    }
  });
  stream.once('end', () => {
    const rest = parts.join('') + decoder.end();
    if (rest !== '') onLine(rest);
  });
}
