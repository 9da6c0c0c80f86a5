// Accesses of vCPUs in shared words: written by their threads, read by the test; reads are answered from there, too.
const COUNT = 0;
const ANSWERED = 1;
const ANSWERS = 2;
/** Answers that fit, and accesses that are kept (further ones are only counted). */
const CAPACITY = 8192;
const FIRST_ANSWER = 4;
const FIRST_ENTRY = FIRST_ANSWER + CAPACITY;
const ENTRY_WORDS = 4;

const KINDS = ['out', 'in', 'store', 'load'] as const;
export const OUT = 0;
export const IN = 1;
export const STORE = 2;
export const LOAD = 3;

/** Reads of this port are not recorded but become calls to the reactor: `call(CALL_PORT, bytes)`. */
export const CALL_PORT = 0x64;

export function createAccessRecord(): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_ENTRY + CAPACITY * ENTRY_WORDS) * 4);
}

/** The end of a vCPU's thread. */
export class AccessWriter {
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
  }

  add(kind: number, address: number, bytes: number, value: number): void {
    const words = this.#words;
    // Room is claimed first, so that vCPUs do not write into each other's entries; the kind makes an entry complete.
    const index = Atomics.add(words, COUNT, 1);
    if (index >= CAPACITY) return;
    const at = FIRST_ENTRY + index * ENTRY_WORDS;
    words[at + 1] = address;
    words[at + 2] = bytes;
    words[at + 3] = value;
    Atomics.store(words, at, kind + 1);
  }

  /** The next answer; all ones when there are no more. */
  answer(): number {
    const words = this.#words;
    const index = Atomics.add(words, ANSWERED, 1);
    return index < Atomics.load(words, ANSWERS) ? (words[FIRST_ANSWER + index] as number) >>> 0 : 0xffff_ffff;
  }
}

/** The test's end. */
export class AccessReader {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  /** Accesses so far. */
  get count(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /** Answers given so far. */
  get answered(): number {
    return Atomics.load(this.#words, ANSWERED);
  }

  /** Adds what reads get, the first first. */
  answer(...values: readonly number[]): void {
    const before = Atomics.load(this.#words, ANSWERS);
    for (const [i, value] of values.entries()) this.#words[FIRST_ANSWER + before + i] = value;
    Atomics.store(this.#words, ANSWERS, before + values.length);
  }

  /** Values of the accesses of this kind that are kept, in order. */
  values(kind: number): number[] {
    return this.#entries()
      .filter(([each]) => each === kind)
      .map(([, , , value]) => value);
  }

  /** The accesses as text: "out 0x80 1 0x5", "in 0x60 1". */
  get log(): string[] {
    return this.#entries().map(([kind, address, bytes, value]) => {
      const access = `${KINDS[kind]} ${hex(address)} ${bytes}`;
      return kind === OUT || kind === STORE ? `${access} ${hex(value)}` : access;
    });
  }

  #entries(): [kind: number, address: number, bytes: number, value: number][] {
    const entries: [number, number, number, number][] = [];
    for (let at = FIRST_ENTRY; entries.length < Math.min(this.count, CAPACITY); at += ENTRY_WORDS) {
      const kind = Atomics.load(this.#words, at);
      if (kind === 0) break; // claimed, not yet complete
      const [address, bytes, value] = [this.#words[at + 1], this.#words[at + 2], this.#words[at + 3]];
      entries.push([kind - 1, (address ?? 0) >>> 0, bytes ?? 0, (value ?? 0) >>> 0]);
    }
    return entries;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
