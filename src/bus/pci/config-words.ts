/** The configuration space of one function, as the function itself reaches it. */
import { valueWord } from './words.js';

/** Thread: any, one object per thread. Takes no lock. Hot path. */
export class ConfigWords {
  readonly #words: Int32Array;
  readonly #slot: number;

  /** @param shared from `createPci` */
  constructor(shared: SharedArrayBuffer, slot: number) {
    this.#words = new Int32Array(shared);
    this.#slot = slot;
  }

  /** @param register multiple of 4 @returns signed 32-bit */
  load(register: number): number {
    return Atomics.load(this.#words, valueWord(this.#slot, register));
  }

  /** Sets bits that a guest cannot write. */
  set(register: number, bits: number): void {
    Atomics.or(this.#words, valueWord(this.#slot, register), bits);
  }

  /** Clears bits that a guest cannot write. */
  clear(register: number, bits: number): void {
    Atomics.and(this.#words, valueWord(this.#slot, register), ~bits);
  }
}
