/** One request's buffers: a descriptor chain, already read once, checked and translated. */

import type { GuestMemory } from '../../memory/guest-memory.js';
import type { IovArray } from '../../memory/iov-array.js';
import { f64At, i32At } from '../../util/typed.js';

const MAX_CHAIN_BYTES = 0xffff_ffff;

/**
 * Parallel columns instead of objects: filled by `VirtQueue.pop`, reused for every request. Entries
 * `[0, readableCount)` are device-readable, `[readableCount, count)` device-writable.
 */
export class DescChain {
  /** Head index: identifies the chain to `VirtQueue.push`. */
  head = 0;
  count = 0;
  readableCount = 0;
  readableBytes = 0;
  writableBytes = 0;
  /** Index into `GuestMemory.chunks`. */
  readonly chunk: Int32Array;
  /** Byte offset in that chunk. */
  readonly offset: Float64Array;
  /** Length in bytes, 0 ... 2^32 - 1. */
  readonly length: Float64Array;

  /** @param capacity most descriptors: the queue size */
  constructor(capacity: number) {
    this.chunk = new Int32Array(capacity);
    this.offset = new Float64Array(capacity);
    this.length = new Float64Array(capacity);
  }

  /** Makes the chain empty. For `VirtQueue`. */
  clear(): void {
    this.count = 0;
    this.readableCount = 0;
    this.readableBytes = 0;
    this.writableBytes = 0;
  }

  /**
   * Appends the range that `memory` translated last. For `VirtQueue`.
   * @returns false on a data fault: readable after writable, or more than 2^32 - 1 bytes in all
   */
  add(memory: GuestMemory, bytes: number, writable: boolean): boolean {
    const i = this.count;
    this.chunk[i] = memory.chunkIndex;
    this.offset[i] = memory.offset;
    this.length[i] = bytes;
    this.count = i + 1;
    if (writable) {
      this.writableBytes += bytes;
    } else {
      if (this.readableCount !== i) return false; // readable after writable
      this.readableCount = i + 1;
      this.readableBytes += bytes;
    }
    return this.readableBytes + this.writableBytes <= MAX_CHAIN_BYTES;
  }

  /** Puts the device-readable buffers into `iov` (reset first). @returns false if `iov` has no room */
  readable(iov: IovArray): boolean {
    iov.reset();
    for (let i = 0; i < this.readableCount; i++) {
      if (!iov.add(i32At(this.chunk, i), f64At(this.offset, i), f64At(this.length, i), true)) return false;
    }
    return true;
  }

  /** Puts the device-writable buffers into `iov` (reset first). @returns false if `iov` has no room */
  writable(iov: IovArray): boolean {
    iov.reset();
    for (let i = this.readableCount; i < this.count; i++) {
      if (!iov.add(i32At(this.chunk, i), f64At(this.offset, i), f64At(this.length, i), false)) return false;
    }
    return true;
  }
}
