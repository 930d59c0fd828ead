/** The last bytes that an agent printed, standard output and error as they came. */
export class OutputTail {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #lastAt = performance.now();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** When something came last, else when this was made; by the clock of `performance.now`. */
  get lastAt(): number {
    return this.#lastAt;
  }

  add(chunk: Buffer): void {
    this.#lastAt = performance.now();
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length >= this.#maxBytes) {
      this.#bytes -= this.#chunks.shift()!.length;
    }
  }

  text(): string {
    return this.end(this.#maxBytes);
  }

  /** No more than so many bytes of it. */
  end(maxBytes: number): string {
    let first = this.#chunks.length;
    for (let bytes = 0; first > 0 && bytes < maxBytes;) bytes += this.#chunks[--first]!.length;
    return Buffer.concat(this.#chunks.slice(first)).subarray(-maxBytes).toString('utf8');
  }

  /** The last line that is not blank. */
  lastLine(): string {
    const text = this.end(LINE_BYTES).trimEnd();
    return text.slice(Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1).trim();
  }
}

const LINE_BYTES = 2000;
