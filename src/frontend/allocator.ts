/**
 * Room in the pool for rings and buffers. A device takes from its own region first, then from the common arena: the
 * pool's tail behind the last region (with a device tree), or everything behind the page of blocks (without).
 *
 * Used at set-up and by callers that want buffers the device can reach without a copy; never per request.
 */

import { alignUp } from '../util/numbers.js';
import { PoolExhaustedError } from './errors.js';
import type { FrontEndPool, PoolBuffer } from './pool.js';

interface Gap {
  start: number;
  end: number;
}

/** A run of free memory. Offsets in the pool, bytes. First fit; neighbours are joined when given back. */
export class Arena {
  readonly start: number;
  readonly bytes: number;
  readonly #gaps: Gap[];
  #used = 0;
  #peak = 0;

  constructor(start: number, bytes: number) {
    this.start = start;
    this.bytes = Math.max(0, bytes);
    this.#gaps = this.bytes === 0 ? [] : [{ start, end: start + this.bytes }];
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Most bytes that were in use at once. */
  get peakBytes(): number {
    return this.#peak;
  }

  /** Largest piece that {@link take} can give with this alignment. */
  largest(align: number): number {
    return this.#gaps.reduce((most, gap) => Math.max(most, gap.end - alignUp(gap.start, align)), 0);
  }

  /** @param align a power of two @returns an offset, or -1 if nothing fits */
  take(bytes: number, align: number): number {
    for (let i = 0; i < this.#gaps.length; i++) {
      const gap = this.#gaps[i] as Gap;
      const start = alignUp(gap.start, align);
      if (start + bytes > gap.end) continue;
      const rest: Gap[] = [];
      if (start > gap.start) rest.push({ start: gap.start, end: start });
      if (start + bytes < gap.end) rest.push({ start: start + bytes, end: gap.end });
      this.#gaps.splice(i, 1, ...rest);
      this.#used += bytes;
      this.#peak = Math.max(this.#peak, this.#used);
      return start;
    }
    return -1;
  }

  /** Gives back what {@link take} gave. */
  give(start: number, bytes: number): void {
    this.#used -= bytes;
    let i = this.#gaps.findIndex((gap) => gap.start > start);
    if (i < 0) i = this.#gaps.length;
    this.#gaps.splice(i, 0, { start, end: start + bytes });
    for (let k = Math.max(0, i - 1); k < this.#gaps.length - 1; ) {
      const left = this.#gaps[k] as Gap;
      const right = this.#gaps[k + 1] as Gap;
      if (left.end !== right.start) {
        if (k >= i) return;
        k++;
        continue;
      }
      left.end = right.end;
      this.#gaps.splice(k + 1, 1);
    }
  }
}

/** The memory one device may use: its own arena, then the common one. */
export class DeviceMemory {
  readonly pool: FrontEndPool;
  readonly #name: string;
  readonly #arenas: readonly Arena[];

  /** @param name for messages @param arenas in the order they are tried */
  constructor(pool: FrontEndPool, name: string, arenas: readonly Arena[]) {
    this.pool = pool;
    this.#name = name;
    this.#arenas = arenas;
  }

  /** Largest buffer that {@link alloc} can give now. */
  largest(align: number): number {
    return this.#arenas.reduce((most, arena) => Math.max(most, arena.largest(align)), 0);
  }

  /**
   * Takes memory that the device can reach directly. Not zeroed.
   * @param what for the message: "receive buffers"
   * @param align a power of two
   * Errors: PoolExhaustedError.
   */
  alloc(what: string, bytes: number, align: number): PoolBuffer {
    const buffer = this.tryAlloc(bytes, align);
    if (buffer !== undefined) return buffer;
    const free = this.#arenas.map((arena) => `${arena.largest(align)} of ${arena.bytes}`).join(' and ');
    throw new PoolExhaustedError(
      `pool exhausted: ${this.#name} needs ${bytes} bytes for ${what}, free in its region and the common arena: ` +
        `${free} bytes; give the PMM a larger --shmem-size or --region ${this.#name}=BYTES`,
    );
  }

  /** As {@link alloc}. @returns undefined if there is no room */
  tryAlloc(bytes: number, align: number): PoolBuffer | undefined {
    for (const arena of this.#arenas) {
      const start = arena.take(bytes, align);
      if (start >= 0) return this.pool.window(start, bytes);
    }
    return undefined;
  }

  /** Gives back a buffer. The device must not use it any more. */
  free(buffer: PoolBuffer): void {
    const home = this.#arenas.find(
      (arena) => buffer.offset >= arena.start && buffer.offset < arena.start + arena.bytes,
    );
    home?.give(buffer.offset, buffer.bytes);
  }
}
