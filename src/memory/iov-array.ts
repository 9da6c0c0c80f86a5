/**
 * A list of buffers in shared memory, ready for one `readv`/`writev`/`preadv`/`pwritev` and for small copies in
 * JavaScript. It hides the access kind: in a *direct* pool the entries point at the shared memory itself; in a *word*
 * pool they point at private staging memory, filled when a readable buffer is added and written back by
 * {@link IovArray.commit}.
 *
 * The iovecs passed to the kernel may be framed by private memory ({@link IovArray.prefix}, {@link IovArray.suffix}): a
 * checked copy of a header in front, a catcher for what does not fit behind.
 *
 * Thread: one owner. Hot path: reused for every request, allocates nothing after construction.
 */

import { viewOf } from '../sys/libc.js';
import { mapPrivate } from '../sys/map.js';
import { at, f64At } from '../util/typed.js';
import { copyBytes, copyCongruent } from './copy.js';
import { ACCESS_WORD, type GuestMemory, MemoryChunk } from './guest-memory.js';

/** `struct iovec`: u64 base, u64 length. */
const IOVEC_BYTES = 16;
/** A system call takes at most 1024 iovecs (IOV_MAX); two are kept for a prefix and a suffix. */
const WINDOW_IOVECS = 1022;

function mapStaging(bytes: number): MemoryChunk {
  const mapping = mapPrivate(bytes);
  return new MemoryChunk(0, mapping.address, mapping.bytes);
}

/** See the file's head. */
export class IovArray {
  /** Entries in use. */
  count = 0;
  /** Sum of the entries' lengths. */
  bytes = 0;
  /** After {@link window}: address of the iovecs to pass to the system call. */
  windowAddress = 0;
  /** After {@link window}: how many iovecs, 0 ... 1024 (with prefix and suffix). */
  windowCount = 0;
  /** After {@link window}: how many bytes they cover. */
  windowBytes = 0;
  /** After {@link window}: the low 31 bits of its addresses, and of its lengths, or-ed: what they are multiples of. */
  windowAddressBits = 0;
  windowLengthBits = 0;

  readonly capacity: number;
  readonly #memory: GuestMemory;
  readonly #word: boolean;
  readonly #address: number;
  readonly #words: Uint32Array;
  readonly #chunks: MemoryChunk[];
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  /** Private memory in a *word* pool; unused in a *direct* one. */
  readonly #staging: MemoryChunk;
  readonly #stagingBytes: number;
  readonly #stagedAt: Float64Array;
  #staged = 0;

  /**
   * @param capacity most entries (the queue size is enough for any chain)
   * @param stagingBytes most bytes of one request; used in *word* pools only
   * Errors: SysError (no memory).
   */
  constructor(memory: GuestMemory, capacity: number, stagingBytes: number) {
    const native = mapPrivate((Math.min(capacity, WINDOW_IOVECS) + 2) * IOVEC_BYTES); // a prefix and a suffix
    this.capacity = capacity;
    this.#memory = memory;
    this.#word = memory.access === ACCESS_WORD;
    this.#address = native.address;
    this.#words = new Uint32Array(viewOf(native.address, native.bytes));
    this.#chunks = new Array<MemoryChunk>(capacity).fill(memory.chunk);
    this.#offsets = new Float64Array(capacity);
    this.#lengths = new Float64Array(capacity);
    this.#stagedAt = new Float64Array(capacity);
    this.#stagingBytes = stagingBytes;
    this.#staging = this.#word ? mapStaging(stagingBytes + 4 * capacity) : memory.chunk;
  }

  /** Forgets all entries. */
  reset(): void {
    this.count = 0;
    this.bytes = 0;
    this.#staged = 0;
  }

  /** True if `entries` more buffers of `bytes` bytes in total can be added. */
  hasRoom(entries: number, bytes: number): boolean {
    if (this.count + entries > this.capacity) return false;
    return !this.#word || this.bytes + bytes <= this.#stagingBytes;
  }

  /**
   * Appends a buffer that has been translated already.
   * @param chunkIndex, offset as left by {@link GuestMemory.translate}
   * @param bytes 0 ... 2^32 - 1; a buffer of 0 bytes is accepted and adds nothing
   * @param readable true: the driver's data, copied out now in a *word* pool; false: to be filled, then {@link commit}
   * @returns false if there is no room (entries, or staging memory in a *word* pool)
   */
  add(chunkIndex: number, offset: number, bytes: number, readable: boolean): boolean {
    if (bytes === 0) return true;
    const i = this.count;
    if (i === this.capacity) return false;
    const chunk = at(this.#memory.chunks, chunkIndex);
    if (this.#word) {
      if (this.bytes + bytes > this.#stagingBytes) return false;
      // As far from a word boundary as in the shared memory, so that whole words can be copied. At most 3 bytes lost.
      const staged = this.#staged + ((offset - this.#staged) & 3);
      if (readable) copyCongruent(this.#staging, staged, chunk, offset, bytes);
      this.#stagedAt[i] = staged;
      this.#staged = staged + bytes;
    }
    this.#chunks[i] = chunk;
    this.#offsets[i] = offset;
    this.#lengths[i] = bytes;
    this.bytes += bytes;
    this.count = i + 1;
    return true;
  }

  /**
   * Prepares the iovecs for bytes `[skip, skip + limit)` of the list; read `windowAddress`, `windowCount`, `windowBytes`.
   * It covers less than asked when the list ends or has more than 1022 entries: then the system call is short, too, and
   * the caller goes on behind `windowBytes` as after any short read. A later call overwrites the iovecs.
   * @param first entry from which `skip` counts: saves walking over entries that were used up
   */
  window(skip: number, limit: number, first = 0): void {
    let left = limit;
    let n = 0;
    let total = 0;
    let addressBits = 0;
    let lengthBits = 0;
    for (let i = first; i < this.count && left > 0 && n < WINDOW_IOVECS; i++) {
      const length = f64At(this.#lengths, i);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const take = Math.min(length - skip, left);
      const address = this.addressOf(i) + skip;
      this.#setIovec(1 + n, address, take);
      addressBits |= address;
      lengthBits |= take;
      n++;
      total += take;
      left -= take;
      skip = 0;
    }
    this.windowAddress = this.#address + IOVEC_BYTES; // place 0 is for a prefix
    this.windowCount = n;
    this.windowBytes = total;
    this.windowAddressBits = addressBits & 0x7fff_ffff;
    this.windowLengthBits = lengthBits & 0x7fff_ffff;
  }

  /**
   * Puts private memory in front of the window's iovecs. Once per {@link window}; before or after {@link suffix}.
   * @param address of mapped memory that stays mapped during the system call
   * @param bytes 1 ... 2^32 - 1
   */
  prefix(address: number, bytes: number): void {
    this.#setIovec(0, address, bytes);
    this.windowAddress = this.#address;
    this.windowCount++;
    this.windowBytes += bytes;
  }

  /** Puts private memory behind the window's iovecs; parameters as {@link prefix}. Once per {@link window}. */
  suffix(address: number, bytes: number): void {
    const first = this.windowAddress === this.#address ? 0 : 1;
    this.#setIovec(first + this.windowCount, address, bytes);
    this.windowCount++;
    this.windowBytes += bytes;
  }

  /**
   * Copies bytes `[skip, skip + bytes)` of the list into `to` at `toOff`.
   * @returns bytes copied: less than asked when the list or `to` ends
   */
  gather(to: Uint8Array, toOff: number, skip: number, bytes: number): number {
    let left = Math.min(bytes, to.length - toOff);
    let done = 0;
    for (let i = 0; i < this.count && left > 0; i++) {
      const length = f64At(this.#lengths, i);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const take = Math.min(length - skip, left);
      copyBytes(to, toOff + done, this.#bytesOf(i), this.#positionOf(i) + skip, take);
      done += take;
      left -= take;
      skip = 0;
    }
    return done;
  }

  /**
   * Copies `from[fromOff ... fromOff + bytes)` to bytes `[skip, skip + bytes)` of the list. In a *word* pool
   * {@link commit} must follow.
   * @param first entry from which `skip` counts
   * @returns bytes copied: less than asked when the list ends
   */
  scatter(from: Uint8Array, fromOff: number, skip: number, bytes: number, first = 0): number {
    let left = Math.min(bytes, from.length - fromOff);
    let done = 0;
    for (let i = first; i < this.count && left > 0; i++) {
      const length = f64At(this.#lengths, i);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const take = Math.min(length - skip, left);
      copyBytes(this.#bytesOf(i), this.#positionOf(i) + skip, from, fromOff + done, take);
      done += take;
      left -= take;
      skip = 0;
    }
    return done;
  }

  /**
   * Makes the first `bytes` of a writable list visible to the driver. Does nothing in a *direct* pool.
   * @param first entry to begin with
   */
  commit(bytes: number, first = 0): void {
    if (!this.#word) return;
    let left = bytes;
    for (let i = first; i < this.count && left > 0; i++) {
      const take = Math.min(f64At(this.#lengths, i), left);
      const chunk = at(this.#chunks, i);
      copyCongruent(chunk, f64At(this.#offsets, i), this.#staging, f64At(this.#stagedAt, i), take);
      left -= take;
    }
  }

  /** Host address of entry `i`'s first byte, for calls that take no iovec. */
  addressOf(i: number): number {
    if (this.#word) return this.#staging.hva + f64At(this.#stagedAt, i);
    return at(this.#chunks, i).hva + f64At(this.#offsets, i);
  }

  #setIovec(place: number, address: number, bytes: number): void {
    const w = place * 4;
    this.#words[w] = address >>> 0;
    this.#words[w + 1] = Math.floor(address / 0x1_0000_0000);
    this.#words[w + 2] = bytes >>> 0;
    this.#words[w + 3] = 0;
  }

  #bytesOf(i: number): Uint8Array {
    return this.#word ? this.#staging.u8 : at(this.#chunks, i).u8;
  }

  #positionOf(i: number): number {
    return this.#word ? f64At(this.#stagedAt, i) : f64At(this.#offsets, i);
  }
}
