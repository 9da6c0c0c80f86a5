/**
 * The shared memory as the driver side sees it. Everything in this folder counts in *offsets* from the pool's first
 * byte; the PMM's addresses (`base` + offset) appear only in registers and descriptors. So it does not matter where
 * either side has mapped the memory.
 *
 * In device memory (access kind *word*) every access is naturally aligned and at most 4 bytes wide.
 */
import { copyBytes, copyFromDevice, copyToDevice, zeroShared } from '../memory/copy.js';
import { ACCESS_WORD, type GuestMemory, type MemoryChunk } from '../memory/guest-memory.js';
import { invariant } from '../util/errors.js';
import { u8At, u32At } from '../util/typed.js';

const TWO_32 = 0x1_0000_0000;

/** The pool. Thread: one owner. */
export class FrontEndPool {
  /** One region that starts at gpa 0: gpa = offset. */
  readonly memory: GuestMemory;
  /** Address of the first byte for the PMM; multiple of 4096. */
  readonly base: number;
  /** Bytes of the pool. */
  readonly bytes: number;
  readonly word: boolean;

  constructor(memory: GuestMemory, base: number, bytes: number) {
    this.memory = memory;
    this.base = base;
    this.bytes = bytes;
    this.word = memory.access === ACCESS_WORD;
  }

  /** A window on `[offset, offset + bytes)`; at most 1 GiB, inside the pool (checked by the caller). */
  window(offset: number, bytes: number): PoolBuffer {
    const inside = offset + bytes <= this.bytes && this.memory.translate(offset, bytes);
    invariant(inside, 'a window of the pool lies in the pool');
    return new PoolBuffer(this, offset, bytes);
  }

  /** Offset of a PMM address, or -1 if `[address, address + bytes)` is not in the pool. */
  offsetOf(address: number, bytes: number): number {
    const offset = address - this.base;
    return offset >= 0 && offset + bytes <= this.bytes ? offset : -1;
  }
}

/**
 * A piece of the pool that stays where it is: a ring, a slot array, a buffer handed to a device without a copy.
 * Offsets passed to its methods are relative to its start; the caller keeps them inside.
 */
export class PoolBuffer {
  /** Offset in the pool. */
  readonly offset: number;
  readonly bytes: number;
  /** Address for the PMM: goes into descriptors. */
  readonly address: number;
  readonly chunk: MemoryChunk;
  /** Index of `chunk` in `GuestMemory.chunks`, for `IovArray.add`. */
  readonly chunkIndex: number;
  /** Byte offset of the first byte in `chunk`. */
  readonly at: number;
  /** Host address of the first byte, for one system call without a copy (direct memory only). */
  readonly hva: number;
  readonly #word: boolean;

  /** Use {@link FrontEndPool.window} or an allocator. The range was translated just before. */
  constructor(pool: FrontEndPool, offset: number, bytes: number) {
    const memory = pool.memory;
    this.offset = offset;
    this.bytes = bytes;
    this.address = pool.base + offset;
    this.chunk = memory.chunk;
    this.chunkIndex = memory.chunkIndex;
    this.at = memory.offset;
    this.hva = this.chunk.hva + this.at;
    this.#word = pool.word;
  }

  /** Copies `from[fromOff ... fromOff + bytes)` here. Hot path. */
  write(offset: number, from: Uint8Array, fromOff: number, bytes: number): void {
    if (this.#word) copyToDevice(this.chunk, this.at + offset, from, fromOff, bytes);
    else copyBytes(this.chunk.u8, this.at + offset, from, fromOff, bytes);
  }

  /** Copies bytes from here to `to[toOff ...]`. Hot path. */
  read(offset: number, to: Uint8Array, toOff: number, bytes: number): void {
    if (this.#word) copyFromDevice(to, toOff, this.chunk, this.at + offset, bytes);
    else copyBytes(to, toOff, this.chunk.u8, this.at + offset, bytes);
  }

  /** One byte. */
  u8(offset: number): number {
    return u8At(this.chunk.u8, this.at + offset);
  }

  /** A little-endian u16 at any offset. */
  u16(offset: number): number {
    return this.u8(offset) | (this.u8(offset + 1) << 8);
  }

  /** Fills with zeros. */
  zero(offset = 0, bytes = this.bytes): void {
    zeroShared(this.chunk, this.at + offset, bytes);
  }

  /** A 32-bit word at a multiple of 4. */
  u32(offset: number): number {
    return u32At(this.chunk.u32, (this.at + offset) / 4);
  }
}

/** Low half of an address below 2^53. */
export function low32(address: number): number {
  return address >>> 0;
}

/** High half of an address below 2^53. */
export function high32(address: number): number {
  return Math.floor(address / TWO_32);
}
