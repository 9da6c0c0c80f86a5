/** One request's buffers: a descriptor chain, already read once, checked and translated. */

import type { IovArray } from '../../memory/iov-array.js';
import { f64At, i32At } from '../../util/typed.js';

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

  /** Sets everything but the columns. For `VirtQueue`. */
  set(
    head: number,
    count: number,
    readableCount: number,
    readableBytes: number,
    writableBytes: number,
  ): void {
    this.head = head;
    this.count = count;
    this.readableCount = readableCount;
    this.readableBytes = readableBytes;
    this.writableBytes = writableBytes;
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
