/** Interrupt lines with several sources, which may be in different threads. */
import type { LineSink } from '../bus/lines.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At } from '../util/typed.js';

/** Lines of the interrupt controllers: GSIs 0 ... 23. */
export const LINES = 24;
// Two words per line: a SharedLock; then one bit per source that pulls the line up.
const WORDS_PER_LINE = 2;
const LOCK = 0;
const SOURCES = 1;

/** The lines' memory, all of them down. Thread: main, once. */
export function createLines(): SharedArrayBuffer {
  return new SharedArrayBuffer(LINES * WORDS_PER_LINE * 4);
}

/** See `LineSink`. Thread: any; one object per thread over the same memory. Hot path. */
export class SharedLines implements LineSink {
  readonly #words: Int32Array;
  readonly #locks: readonly SharedLock[];
  readonly #port: (gsi: number, level: boolean) => void;

  /**
   * @param shared from {@link createLines}
   * @param port sets the level of a line (KVM_IRQ_LINE); called only when it changes, with the line's lock held, so that
   *   the last call is the last change
   */
  constructor(shared: SharedArrayBuffer, port: (gsi: number, level: boolean) => void) {
    const words = new Int32Array(shared);
    this.#words = words;
    this.#locks = Array.from(
      { length: LINES },
      (_, gsi) => new SharedLock(words, gsi * WORDS_PER_LINE + LOCK),
    );
    this.#port = port;
  }

  setLevel(gsi: number, source: number, level: boolean): void {
    const words = this.#words;
    const at = gsi * WORDS_PER_LINE + SOURCES;
    const bit = 1 << source;
    // A source's bit is changed by its device only, which has its own lock: no other lock is needed to look at it.
    if (((Atomics.load(words, at) & bit) !== 0) === level) return;
    const lock = this.#locks[gsi] as SharedLock;
    lock.lock();
    const before = i32At(words, at);
    const after = level ? before | bit : before & ~bit;
    Atomics.store(words, at, after);
    if ((before === 0) !== (after === 0)) this.#port(gsi, level);
    lock.unlock();
  }

  /** Sources that pull a line up, one bit each. For tests and dumps. */
  sources(gsi: number): number {
    return Atomics.load(this.#words, gsi * WORDS_PER_LINE + SOURCES);
  }
}
