/** The last bytes that an agent printed, standard output and error as they came. */
export class OutputTail {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length >= this.#maxBytes) {
      this.#bytes -= this.#chunks.shift()!.length;
    }
  }

  text(): string {
    return Buffer.concat(this.#chunks).subarray(-this.#maxBytes).toString('utf8');
  }

  /** The last line that is not blank. */
  lastLine(): string {
    const text = this.text().slice(-LINE_WINDOW).trimEnd();
    return text.slice(Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1).trim();
  }
}

const LINE_WINDOW = 2000;
