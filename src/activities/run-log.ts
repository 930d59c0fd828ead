import type { OutputTail } from '../agent/output-tail.js';

/** What is kept of what the processes of a run printed, each under a line of its own where there are several. */
export class RunLog {
  readonly #parts: { title: string; output: OutputTail | string }[] = [];

  /** @param output is read when the log is. */
  add(title: string, output: OutputTail): void {
    this.#parts.push({ title, output });
  }

  /** Something that this program has to say of the run. */
  note(text: string): void {
    this.#parts.push({ title: text, output: '' });
  }

  text(): string {
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only!.output !== '') return textOf(only!.output);
    return this.#parts
      .map(({ title, output }) => {
        const text = textOf(output);
        return `--- ${title.replace(/\s+/g, ' ')} ---\n${text}${/(^|\n)$/.test(text) ? '' : '\n'}`;
      })
      .join('');
  }
}

function textOf(output: OutputTail | string): string {
  return typeof output === 'string' ? output : output.text();
}
