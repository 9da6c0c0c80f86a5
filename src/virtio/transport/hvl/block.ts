/**
 * The register block of one device: words of shared memory that look like a register file. Reading has no side effect,
 * writing triggers nothing; the other side sees a write when it looks.
 *
 * Every access is one aligned 32-bit word (config space: one byte), so it works in device memory too. Loads and stores
 * are sequentially consistent, in program order, because the protocol is about order: MAGIC last, QUEUE_PFN last.
 *
 * Thread: reactor (and main while publishing). Hot path: allocates nothing.
 */
import { HVL_BLOCK_BYTES, VIRTIO_MMIO_CONFIG } from '../../../abi/hvl.js';
import { ACCESS_WORD, type GuestMemory } from '../../../memory/guest-memory.js';
import { invariant } from '../../../util/errors.js';
import { u8At, u32At } from '../../../util/typed.js';

export class RegisterBlock {
  readonly #u32: Uint32Array;
  readonly #word: number;
  readonly #u8: Uint8Array;
  readonly #byte: number;
  readonly #device: boolean;

  /** @param gpa of the block, a multiple of 0x200 inside `pool` */
  constructor(pool: GuestMemory, gpa: number) {
    invariant(pool.translate(gpa, HVL_BLOCK_BYTES), 'a register block lies inside the pool');
    this.#u32 = pool.chunk.u32;
    this.#word = pool.offset / 4;
    this.#u8 = pool.chunk.u8;
    this.#byte = pool.offset;
    this.#device = pool.access === ACCESS_WORD;
  }

  /** @param offset of a register, a multiple of 4 below 0x200 */
  load(offset: number): number {
    return Atomics.load(this.#u32, this.#word + (offset >>> 2));
  }

  /** As {@link load} without any ordering, at a seventh of the price: only to find out whether a look is worth while. */
  peek(offset: number): number {
    return u32At(this.#u32, this.#word + (offset >>> 2));
  }

  /** @param value 0 ... 2^32 - 1 */
  store(offset: number, value: number): void {
    Atomics.store(this.#u32, this.#word + (offset >>> 2), value);
  }

  /**
   * Stores `value` if the register holds `expected`. Atomic where the memory allows it; device memory need not support
   * atomic read-modify-write, there it is a load and a store a few nanoseconds apart.
   * @returns true if it was stored
   */
  replace(offset: number, expected: number, value: number): boolean {
    if (!this.#device) {
      const index = this.#word + (offset >>> 2);
      return Atomics.compareExchange(this.#u32, index, expected, value) === expected;
    }
    if (this.load(offset) !== expected) return false;
    this.store(offset, value);
    return true;
  }

  /** Stores `value`. Atomic where the memory allows it, as {@link replace}. @returns what was there before */
  exchange(offset: number, value: number): number {
    if (!this.#device) return Atomics.exchange(this.#u32, this.#word + (offset >>> 2), value);
    const old = this.load(offset);
    this.store(offset, value);
    return old;
  }

  /** Writes config space byte by byte. @param config at most 0x100 bytes */
  writeConfig(config: Uint8Array): void {
    for (let i = 0; i < config.length; i++) {
      Atomics.store(this.#u8, this.#byte + VIRTIO_MMIO_CONFIG + i, u8At(config, i));
    }
  }
}
