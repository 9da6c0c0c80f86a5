/**
 * A split virtqueue, driver side. The driver owns the descriptor table and the available ring; the device writes the
 * used ring. What the driver must know to stay correct (free list, chain links, who is in flight) is kept in private
 * memory: the shared copies are written and never read back, and what the device writes is checked.
 *
 *     const head = queue.begin();                      // -1: full
 *     queue.set(head, address, bytes, writable);
 *     const more = queue.extend(head); queue.set(more, ...);   // optional
 *     queue.submit(head);
 *     if (queue.publish()) device.kick(queue.index);
 *     ...
 *     while ((head = queue.pop()) >= 0) { use queue.usedBytes; queue.release(head); }   // or submit(head) again
 *
 * Spec: virtio 1.2 section 2.7, with the contiguous legacy layout. Hot path: nothing here allocates or throws.
 */
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_AVAIL_IDX_OFF,
  VIRTQ_AVAIL_RING_OFF,
  VIRTQ_DESC_BYTES,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_USED_ELEM_BYTES,
  VIRTQ_USED_F_NO_NOTIFY,
  VIRTQ_USED_IDX_OFF,
  VIRTQ_USED_RING_OFF,
} from '../abi/virtio-ring.js';
import { f64At, u8At, u16At, u32At } from '../util/typed.js';
import { high32, low32, type PoolBuffer } from './pool.js';

/** {@link DriverQueue.pop}: nothing was used. */
export const USED_EMPTY = -1;
/** {@link DriverQueue.pop}: the used ring makes no sense; the device must be reset. */
export const USED_BROKEN = -2;

const NONE = 0xffff;

/** Bytes of a ring in the legacy layout. @param size a power of two @param align a power of two >= 4 */
export function ringBytes(size: number, align: number): number {
  return usedOffset(size, align) + VIRTQ_USED_RING_OFF + VIRTQ_USED_ELEM_BYTES * size + 2;
}

function usedOffset(size: number, align: number): number {
  const availEnd = VIRTQ_DESC_BYTES * size + VIRTQ_AVAIL_RING_OFF + 2 * size + 2;
  return Math.ceil(availEnd / align) * align;
}

/** See the file's head. */
export class DriverQueue {
  readonly index: number;
  readonly size: number;
  /** The ring's memory. */
  readonly ring: PoolBuffer;
  /** Free descriptors. */
  freeCount: number;
  /** Chains submitted and not yet popped. */
  inFlight = 0;
  /** After a successful {@link pop}: bytes the device wrote, never more than the chain's writable part. */
  usedBytes = 0;
  /** Times the device claimed to have written more than it was given. */
  lengthFaults = 0;
  /** True: the owner wants to be interrupted when it sleeps ({@link arm}); false: it looks on its own. */
  wanted = true;

  readonly #mask: number;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  // Element indices into the views.
  readonly #descAt: number;
  readonly #availFlagsAt: number;
  readonly #availIdxAt: number;
  readonly #availRingAt: number;
  readonly #usedFlagsAt: number;
  readonly #usedIdxAt: number;
  readonly #usedRingAt: number;

  /** Free list, and the next descriptor within a chain. */
  readonly #link: Uint16Array;
  /** 1: head of a chain the device has. */
  readonly #busy: Uint8Array;
  readonly #writable: Float64Array;
  #freeHead = 0;
  #nextAvail = 0;
  #published = 0;
  #lastUsed = 0;
  #silent = false;

  /**
   * @param ring at least {@link ringBytes} long, 4096-aligned; zeroed here
   * @param size a power of two, 1 ... 32768
   * @param align a power of two >= 4
   */
  constructor(index: number, ring: PoolBuffer, size: number, align: number) {
    this.index = index;
    this.size = size;
    this.ring = ring;
    this.freeCount = size;
    this.#mask = size - 1;
    this.#u16 = ring.chunk.u16;
    this.#u32 = ring.chunk.u32;
    const avail = ring.at + VIRTQ_DESC_BYTES * size;
    const used = ring.at + usedOffset(size, align);
    this.#descAt = ring.at / 4;
    this.#availFlagsAt = avail / 2;
    this.#availIdxAt = (avail + VIRTQ_AVAIL_IDX_OFF) / 2;
    this.#availRingAt = (avail + VIRTQ_AVAIL_RING_OFF) / 2;
    this.#usedFlagsAt = used / 2;
    this.#usedIdxAt = (used + VIRTQ_USED_IDX_OFF) / 2;
    this.#usedRingAt = (used + VIRTQ_USED_RING_OFF) / 4;
    this.#link = new Uint16Array(size);
    for (let i = 0; i < size; i++) this.#link[i] = i + 1 < size ? i + 1 : NONE;
    this.#busy = new Uint8Array(size);
    this.#writable = new Float64Array(size);
    ring.zero();
  }

  /** Takes a free descriptor as the head of a new chain. @returns its index, or -1 if there is none */
  begin(): number {
    const head = this.#freeHead;
    if (head === NONE) return -1;
    this.#freeHead = u16At(this.#link, head);
    this.#link[head] = NONE;
    this.#writable[head] = 0;
    this.freeCount--;
    return head;
  }

  /**
   * Writes a descriptor. Device-readable buffers come before device-writable ones.
   * @param head of the chain that `desc` belongs to (the same for a chain of one)
   * @param address for the PMM
   * @param bytes 1 ... 2^32 - 1
   */
  set(desc: number, address: number, bytes: number, writable: boolean, head = desc): void {
    const at = this.#descAt + desc * 4;
    this.#u32[at] = low32(address);
    this.#u32[at + 1] = high32(address);
    this.#u32[at + 2] = bytes;
    this.#u32[at + 3] = writable ? VIRTQ_DESC_F_WRITE : 0; // flags in the low half, next in the high half
    if (writable) this.#writable[head] = f64At(this.#writable, head) + bytes;
  }

  /**
   * Adds a descriptor to the end of a chain; {@link set} it next, after the one before it was set.
   * @param last the chain's last descriptor so far @returns the new one, or -1 if there is none
   */
  extend(last: number): number {
    const desc = this.begin();
    if (desc < 0) return -1;
    this.#link[last] = desc;
    const at = this.#descAt + last * 4 + 3;
    const flags = u32At(this.#u32, at) & 0xffff;
    this.#u32[at] = (flags | VIRTQ_DESC_F_NEXT | (desc << 16)) >>> 0;
    return desc;
  }

  /** Puts a chain into the available ring; the device sees it after {@link publish}. */
  submit(head: number): void {
    this.#u16[this.#availRingAt + (this.#nextAvail & this.#mask)] = head;
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    this.#busy[head] = 1;
    this.inFlight++;
  }

  /**
   * Shows everything submitted to the device with one store of `avail.idx`.
   * @returns true if the device wants to be kicked
   */
  publish(): boolean {
    if (this.#published === this.#nextAvail) return false;
    this.#published = this.#nextAvail;
    // Release: descriptors and entries first. Sequentially consistent, so that the load of used.flags cannot move
    // before it: the device sets the flag off, then looks at avail.idx once more; one of us sees the other.
    Atomics.store(this.#u16, this.#availIdxAt, this.#nextAvail);
    return (Atomics.load(this.#u16, this.#usedFlagsAt) & VIRTQ_USED_F_NO_NOTIFY) === 0;
  }

  /** True if the device has used something that was not popped. One load. */
  hasUsed(): boolean {
    return Atomics.load(this.#u16, this.#usedIdxAt) !== this.#lastUsed;
  }

  /**
   * Takes the next used chain; sets {@link usedBytes}. The chain is still the caller's: {@link release} it, or
   * {@link submit} it again as it is.
   * @returns its head, {@link USED_EMPTY} or {@link USED_BROKEN}
   */
  pop(): number {
    // Acquire: the element was written before used.idx.
    const idx = Atomics.load(this.#u16, this.#usedIdxAt);
    if (idx === this.#lastUsed) return USED_EMPTY;
    if (((idx - this.#lastUsed) & 0xffff) > this.inFlight) return USED_BROKEN;
    const at = this.#usedRingAt + (this.#lastUsed & this.#mask) * 2;
    const head = u32At(this.#u32, at);
    const bytes = u32At(this.#u32, at + 1);
    if (head >= this.size || u8At(this.#busy, head) === 0) return USED_BROKEN;
    this.#lastUsed = (this.#lastUsed + 1) & 0xffff;
    this.#busy[head] = 0;
    this.inFlight--;
    const writable = f64At(this.#writable, head);
    if (bytes > writable) this.lengthFaults++;
    this.usedBytes = bytes > writable ? writable : bytes;
    return head;
  }

  /** Gives a chain's descriptors back to the free list. */
  release(head: number): void {
    let last = head;
    let n = 1;
    for (let next = u16At(this.#link, last); next !== NONE; next = u16At(this.#link, last)) {
      last = next;
      n++;
    }
    this.#link[last] = this.#freeHead;
    this.#freeHead = head;
    this.freeCount += n;
  }

  /** Asks the device not to interrupt, because we look anyway. A hint. */
  disarm(): void {
    if (this.#silent) return;
    this.#silent = true;
    Atomics.store(this.#u16, this.#availFlagsAt, VIRTQ_AVAIL_F_NO_INTERRUPT);
  }

  /**
   * About to sleep: asks for interrupts again if the owner wants them ({@link wanted}).
   * @returns true if the device used something before it could know; do not sleep then
   */
  arm(): boolean {
    if (!this.wanted) {
      this.disarm();
      return false;
    }
    if (this.#silent) {
      this.#silent = false;
      // Sequentially consistent, then look again: the device publishes, then reads the flag.
      Atomics.store(this.#u16, this.#availFlagsAt, 0);
    }
    return this.hasUsed();
  }
}
