/**
 * One device's register block. Plain shared memory: a read has no side effect, a write triggers nothing until the PMM
 * looks. Every access is one aligned, sequentially consistent 32-bit load or store, because the other processor
 * decides by the order in which it sees them.
 */
import { HVL_BLOCK_BYTES, VIRTIO_MMIO_CONFIG } from '../abi/hvl.js';
import type { FrontEndPool, PoolBuffer } from './pool.js';

/** Register offsets are those of `abi/hvl.ts`. Thread: one owner. */
export class Registers {
  readonly #block: PoolBuffer;
  readonly #u32: Uint32Array;
  readonly #first: number;

  /** @param block offset of the block in the pool, a multiple of 4; the block lies inside the pool */
  constructor(pool: FrontEndPool, block: number) {
    this.#block = pool.window(block, HVL_BLOCK_BYTES);
    this.#u32 = this.#block.chunk.u32;
    this.#first = this.#block.at / 4;
  }

  /** @param register byte offset in the block, a multiple of 4 */
  load(register: number): number {
    return Atomics.load(this.#u32, this.#first + register / 4);
  }

  /** @param register byte offset in the block, a multiple of 4 @param value 0 ... 2^32 - 1 */
  store(register: number, value: number): void {
    Atomics.store(this.#u32, this.#first + register / 4, value >>> 0);
  }

  /** A u16 anywhere in the block, little-endian. */
  u16(register: number): number {
    return this.#block.u16(register);
  }

  /** 64 bits from a pair of registers, low one given; NaN-free: values of 2^53 and above come back as Infinity. */
  pair(low: number, high: number): number {
    const value = this.load(high) * 0x1_0000_0000 + this.load(low);
    return value <= Number.MAX_SAFE_INTEGER ? value : Number.POSITIVE_INFINITY;
  }

  /** Byte of the config space. @param offset 0 ... 255 */
  config8(offset: number): number {
    return this.#block.u8(VIRTIO_MMIO_CONFIG + offset);
  }

  /** u16 of the config space. */
  config16(offset: number): number {
    return this.#block.u16(VIRTIO_MMIO_CONFIG + offset);
  }
}
