/** Numbers a slot takes: two of the hash, one of the value. */
const SLOT = 3;
const FIRST_SLOTS = 1024;

/**
 * A number from 1 up for each of many texts, in some 24 bytes each whatever their length: it keeps hashes of
 * 64 bits. Two texts may be taken for one, which has to be harmless.
 */
export class IdTable {
  #slots = new Uint32Array(FIRST_SLOTS * SLOT);
  #used = 0;

  /** @returns 0 where there is none. */
  get(text: string): number {
    return this.#slots[this.#find(this.#slots, hash(text)) + 2]!;
  }

  set(text: string, value: number): void {
    const key = hash(text);
    let at = this.#find(this.#slots, key);
    if (this.#slots[at + 2] === 0) {
      this.#used += 1;
      if (this.#used * SLOT * 2 > this.#slots.length) {
        this.#grow();
        at = this.#find(this.#slots, key);
      }
    }
    this.#slots.set([...key, value], at);
  }

  /** Where a key is, or would be. */
  #find(slots: Uint32Array, [high, low]: Hash): number {
    const count = slots.length / SLOT;
    for (let slot = low % count; ; slot = (slot + 1) % count) {
      const at = slot * SLOT;
      if (slots[at + 2] === 0 || (slots[at] === high && slots[at + 1] === low)) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + 2] === 0) continue;
      const kept = old.subarray(at, at + SLOT);
      slots.set(kept, this.#find(slots, [kept[0]!, kept[1]!]));
    }
    this.#slots = slots;
  }
}

type Hash = [high: number, low: number];

/** Two of FNV-1a's kind that differ in their start and their multiplier, each well stirred at the end. */
function hash(text: string): Hash {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (let n = 0; n < text.length; n += 1) {
    const code = text.charCodeAt(n);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x85ebca6b) ^ (high >>> 15);
  }
  return [stirred(high), stirred(low ^ text.length)];
}

function stirred(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}
