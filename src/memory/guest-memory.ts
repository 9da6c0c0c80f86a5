/**
 * The one door to memory shared with a driver: guest RAM of a KVM machine, or the pool of a PMM.
 *
 * Addresses are *gpa*: what the driver writes into descriptors (guest-physical, or in the PMM's `--shmem-addr` space).
 * A range is checked once by {@link GuestMemory.translate}; the result is a view, an offset into it, and the host
 * address for vectored I/O. The bytes behind it change under us at any time: copy a field once, check the copy, use
 * the copy.
 *
 * Thread: build one GuestMemory per worker from the same region records; unmap only after the worker has exited.
 */
import { viewOf } from '../sys/libc.js';
import { InvariantError, invariant } from '../util/errors.js';

/** Memory that tolerates any access: RAM, memfd, file, ivshmem. */
export const ACCESS_DIRECT = 0;
/** Device memory (UIO, /dev/mem): naturally aligned accesses of at most 8 bytes only; I/O is staged. */
export const ACCESS_WORD = 1;

/** A run of memory that is contiguous for the driver and for us. Plain data: sent to workers as it is. */
export interface RegionRecord {
  /** First driver-visible address; multiple of 4096. */
  readonly gpa: number;
  /** Host virtual address of the same byte. */
  readonly hva: number;
  readonly bytes: number;
}

const PAGE = 4096;
const CHUNK_STEP = 0x4000_0000; // 1 GiB between the starts of two views
const CHUNK_BYTES = 0x8000_0000; // 2 GiB each: they overlap, so any range up to 1 GiB lies inside one view

/** A typed window on at most 2 GiB of a region. Fields are never reassigned. */
export class MemoryChunk {
  readonly gpa: number;
  readonly hva: number;
  readonly bytes: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** Low word of `gpa`, as a signed integer: V8 keeps it as one. */
  readonly gpaLow: number;
  /** High word of `gpa`; -1 if the window reaches the next multiple of 4 GiB, so that it differs from any high word. */
  readonly gpaHigh: number;

  constructor(gpa: number, hva: number, bytes: number) {
    const buffer = viewOf(hva, bytes);
    this.gpaLow = gpa | 0;
    this.gpaHigh = (gpa % 0x1_0000_0000) + bytes < 0x1_0000_0000 ? Math.floor(gpa / 0x1_0000_0000) : -1;
    this.gpa = gpa;
    this.hva = hva;
    this.bytes = bytes;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer, 0, Math.floor(bytes / 2));
    this.u32 = new Uint32Array(buffer, 0, Math.floor(bytes / 4));
  }
}

/** Address translation and checked access for one worker. */
export class GuestMemory {
  readonly regions: readonly RegionRecord[];
  /** ACCESS_DIRECT or ACCESS_WORD. */
  readonly access: number;
  readonly chunks: readonly MemoryChunk[];
  readonly #firstChunk: number[] = [];

  /** Result of the last successful {@link translate}: index into {@link chunks}. */
  chunkIndex = 0;
  /** Result of the last successful {@link translate}: the window. */
  chunk: MemoryChunk;
  /** Result of the last successful {@link translate}: byte offset of the range in `chunk`. */
  offset = 0;

  /**
   * @param regions at least one; sorted by gpa, not overlapping; gpa, hva and length multiples of 4096
   * @param access ACCESS_DIRECT or ACCESS_WORD
   * Errors: InvariantError if the regions are not like that: whoever makes a pool has checked the user's values.
   */
  constructor(regions: readonly RegionRecord[], access = ACCESS_DIRECT) {
    const chunks: MemoryChunk[] = [];
    let end = 0;
    for (const region of regions) {
      // Views that start on a page make every element access naturally aligned, for the driver and for us.
      const aligned = ((region.gpa % PAGE) | (region.hva % PAGE) | (region.bytes % PAGE)) === 0;
      invariant(
        aligned && region.bytes > 0 && region.gpa >= end,
        'regions are whole pages, sorted, and do not overlap',
      );
      end = region.gpa + region.bytes;
      invariant(Number.isSafeInteger(end), 'addresses stay below 2^53');
      this.#firstChunk.push(chunks.length);
      for (let start = 0; start === 0 || start + CHUNK_STEP < region.bytes; start += CHUNK_STEP) {
        const bytes = Math.min(CHUNK_BYTES, region.bytes - start);
        chunks.push(new MemoryChunk(region.gpa + start, region.hva + start, bytes));
      }
    }
    const first = chunks[0];
    if (first === undefined) throw new InvariantError('GuestMemory needs at least one region');
    this.regions = regions;
    this.access = access;
    this.chunks = chunks;
    this.chunk = first;
  }

  /**
   * Finds a range. On success `chunk`, `chunkIndex` and `offset` describe it until the next call.
   *
   * @param gpa 0 ... 2^64, exact below 2^53; no region lies above
   * @param bytes 0 ... 2^32 - 1; a range of 0 bytes is fine anywhere inside or at the end of a region
   * @returns true if the whole range lies in one region; a range of more than 1 GiB may be refused in a region of more
   *   than 2 GiB
   * Hot path: allocates nothing, does not throw.
   */
  translate(gpa: number, bytes: number): boolean {
    const regions = this.regions;
    for (let i = 0; i < regions.length; i++) {
      const region = regions[i] as RegionRecord;
      const start = gpa - region.gpa;
      if (start < 0 || start + bytes > region.bytes) continue;
      const index = (this.#firstChunk[i] as number) + this.#step(start, region.bytes);
      const chunk = this.chunks[index] as MemoryChunk;
      const offset = gpa - chunk.gpa;
      if (offset + bytes > chunk.bytes) return false;
      this.chunk = chunk;
      this.chunkIndex = index;
      this.offset = offset;
      return true;
    }
    return false;
  }

  /**
   * {@link translate} for an address as it stands on the wire, in integers only as long as it lies in the same window as
   * the range before.
   * @param low, high words of the address, unsigned
   */
  translateWords(low: number, high: number, bytes: number): boolean {
    const last = this.chunk;
    // A window with this high word does not reach the next 4 GiB: an address below its start wraps to far above its end.
    const offset = (low - last.gpaLow) >>> 0;
    if (high === last.gpaHigh && bytes <= last.bytes && offset <= (last.bytes - bytes) >>> 0) {
      this.offset = offset;
      return true;
    }
    // Above 2^53 the sum is not exact, but then it is far above any memory, rounded or not.
    return this.translate(high * 0x1_0000_0000 + low, bytes);
  }

  /** Number of the view of a region that holds `start` with the most room behind it. */
  #step(start: number, regionBytes: number): number {
    if (start < CHUNK_STEP) return 0;
    const last = Math.max(0, Math.ceil(regionBytes / CHUNK_STEP) - 2);
    return Math.min(Math.floor(start / CHUNK_STEP), last);
  }
}
