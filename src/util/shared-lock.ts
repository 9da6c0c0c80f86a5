/**
 * A lock in shared memory, for the registers of a device that several vCPUs and the reactor reach. Held for some hundred
 * nanoseconds; never across a system call that may sleep for long.
 */

const FREE = 0;
const HELD = 1;
/** Held, and somebody sleeps for it. */
const CONTENDED = 2;

/** One word of an `Int32Array` on a `SharedArrayBuffer`, initially 0. Thread: any; one object per thread. Not recursive. */
export class SharedLock {
  readonly #words: Int32Array;
  readonly #at: number;

  /** @param at index of the lock's word */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** Waits until the lock is this thread's. Hot path. */
  lock(): void {
    const words = this.#words;
    if (Atomics.compareExchange(words, this.#at, FREE, HELD) === FREE) return;
    while (Atomics.exchange(words, this.#at, CONTENDED) !== FREE) Atomics.wait(words, this.#at, CONTENDED);
  }

  /** Only by the thread that holds it. Hot path. */
  unlock(): void {
    if (Atomics.exchange(this.#words, this.#at, FREE) === CONTENDED) Atomics.notify(this.#words, this.#at, 1);
  }
}
