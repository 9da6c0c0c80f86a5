/**
 * A running split virtqueue, device side.
 *
 * The contract is the drain loop:
 *
 *     do {
 *       queue.disableKicks();
 *       while ((status = queue.pop(chain)) === CHAIN_OK) { ...; queue.push(chain.head, written); }
 *       queue.publish();
 *     } while (status === CHAIN_EMPTY && queue.enableKicks());
 *     if (queue.needsInterrupt()) notifier.usedBuffers(index);
 *
 * Ring memory belongs to a hostile driver: every field is read once, the copy is checked, the copy is used. Our own
 * positions (`nextAvail`, `nextUsed`) are private; `used.idx` is never read back. A *data fault* (address, length,
 * order) completes the chain with length 0 and the loop goes on; a *structural fault* (head, index jump, next, loop,
 * bad indirect table) is returned as a negative code, and the device must stop.
 *
 * Spec: virtio 1.2 section 2.7. Thread: the one that made it. Hot path: nothing here allocates or throws.
 */
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_AVAIL_IDX_OFF,
  VIRTQ_AVAIL_RING_OFF,
  VIRTQ_DESC_BYTES,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_USED_ELEM_BYTES,
  VIRTQ_USED_F_NO_NOTIFY,
  VIRTQ_USED_IDX_OFF,
  VIRTQ_USED_RING_OFF,
} from '../../abi/virtio-ring.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { invariant } from '../../util/errors.js';
import { u16At, u32At } from '../../util/typed.js';
import type { DescChain } from './desc-chain.js';
import type { QueueConfig, RingFeatures } from './queue-config.js';
import { availRingBytes, descTableBytes, usedRingBytes } from './ring-layout.js';

/** A chain was popped. */
export const CHAIN_OK = 0;
/** Nothing is available. */
export const CHAIN_EMPTY = 1;
/** Structural: `avail.idx` is more than the queue size ahead. */
export const CHAIN_BAD_AVAIL_IDX = -1;
/** Structural: a head or `next` index is not below the table size. */
export const CHAIN_BAD_INDEX = -2;
/** Structural: more descriptors than the queue size; a loop. */
export const CHAIN_LOOP = -3;
/** Structural: an indirect descriptor that was not negotiated, is nested, has a `next`, or an odd or empty table. */
export const CHAIN_BAD_INDIRECT = -4;
// Private results of #walk: the chain is answered with length 0.
const CHAIN_DATA_FAULT = 2;

const MAX_CHAIN_BYTES = 0xffff_ffff;
/** Above this an address is not exact as a double's integer part any more; such an address is never in memory. */
const MAX_ADDRESS_HIGH = 0x10_0000;

/** Text for a structural fault, for the log. */
export function chainFaultText(code: number): string {
  switch (code) {
    case CHAIN_BAD_AVAIL_IDX:
      return 'avail.idx is further ahead than the queue size';
    case CHAIN_BAD_INDEX:
      return 'a descriptor index is outside the table';
    case CHAIN_LOOP:
      return 'a descriptor chain is longer than the queue size';
    case CHAIN_BAD_INDIRECT:
      return 'an indirect descriptor is not allowed or malformed';
    default:
      return `fault ${code}`;
  }
}

/** Running split virtqueue; made by `activateQueue` only, discarded on reset. */
export class VirtQueue {
  readonly index: number;
  readonly size: number;
  /** Chains answered with length 0 because of a data fault. */
  dataFaults = 0;

  readonly #memory: GuestMemory;
  readonly #mask: number;
  readonly #indirect: boolean;
  readonly #eventIdx: boolean;
  // Element indices (not bytes) into the views of the chunk that holds each part.
  readonly #desc32: Uint32Array;
  readonly #descAt: number;
  readonly #avail16: Uint16Array;
  readonly #availFlagsAt: number;
  readonly #availIdxAt: number;
  readonly #availRingAt: number;
  readonly #usedEventAt: number;
  readonly #used16: Uint16Array;
  readonly #used32: Uint32Array;
  readonly #usedFlagsAt: number;
  readonly #usedIdxAt: number;
  readonly #usedRingAt: number;
  readonly #availEventAt: number;

  #nextAvail = 0;
  /** Last `avail.idx` read: entries up to it may be read without loading the index again. */
  #availIdx = 0;
  #nextUsed = 0;
  #published = 0;
  /** `nextUsed` at the last interrupt decision, for the event index rule. */
  #lastSignalled = 0;
  #usedFlags = 0;
  #unsignalled = false;

  /** Use `activateQueue`, which has checked everything. */
  constructor(config: QueueConfig, memory: GuestMemory, features: RingFeatures) {
    const { size, layout } = config;
    this.index = config.index;
    this.size = size;
    this.#memory = memory;
    this.#mask = size - 1;
    this.#indirect = features.indirect;
    this.#eventIdx = features.eventIdx;
    invariant(memory.translate(layout.desc, descTableBytes(size)), 'descriptor table was checked');
    this.#desc32 = memory.chunk.u32;
    this.#descAt = memory.offset / 4;
    invariant(memory.translate(layout.avail, availRingBytes(size)), 'available ring was checked');
    this.#avail16 = memory.chunk.u16;
    this.#availFlagsAt = memory.offset / 2;
    this.#availIdxAt = (memory.offset + VIRTQ_AVAIL_IDX_OFF) / 2;
    this.#availRingAt = (memory.offset + VIRTQ_AVAIL_RING_OFF) / 2;
    this.#usedEventAt = this.#availRingAt + size;
    invariant(memory.translate(layout.used, usedRingBytes(size)), 'used ring was checked');
    this.#used16 = memory.chunk.u16;
    this.#used32 = memory.chunk.u32;
    this.#usedFlagsAt = memory.offset / 2;
    this.#usedIdxAt = (memory.offset + VIRTQ_USED_IDX_OFF) / 2;
    this.#usedRingAt = (memory.offset + VIRTQ_USED_RING_OFF) / 4;
    this.#availEventAt = this.#usedIdxAt + 1 + (size * VIRTQ_USED_ELEM_BYTES) / 2;
  }

  /** True if the driver has made something available that was not popped. One load; safe to poll. */
  hasWork(): boolean {
    return Atomics.load(this.#avail16, this.#availIdxAt) !== this.#nextAvail;
  }

  /** Chains popped or skipped so far that were not yet pushed can be counted with these two (mod 2^16). */
  get nextAvail(): number {
    return this.#nextAvail;
  }

  get nextUsed(): number {
    return this.#nextUsed;
  }

  /**
   * Takes the next chain.
   * @param chain overwritten; capacity at least the queue size
   * @returns CHAIN_OK, CHAIN_EMPTY (also after a whole ring of data faults in a row: `hasWork` tells), or a negative
   *   structural fault (stop the device; the head is not consumed)
   */
  pop(chain: DescChain): number {
    let faults = 0;
    for (;;) {
      if (this.#nextAvail === this.#availIdx) {
        // Acquire: the ring entry and the descriptors were written before avail.idx.
        const idx = Atomics.load(this.#avail16, this.#availIdxAt);
        if (idx === this.#nextAvail) return CHAIN_EMPTY;
        if (((idx - this.#nextAvail) & 0xffff) > this.size) return CHAIN_BAD_AVAIL_IDX;
        this.#availIdx = idx;
      }
      const head = u16At(this.#avail16, this.#availRingAt + (this.#nextAvail & this.#mask));
      if (head >= this.size) return CHAIN_BAD_INDEX;
      const status = this.#walk(head, chain);
      if (status < 0) return status;
      this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
      if (status === CHAIN_OK) return CHAIN_OK;
      this.dataFaults++;
      this.push(head, 0);
      // A driver that feeds bad chains as fast as they are refused must not hold the thread for ever.
      if (++faults > this.size) return CHAIN_EMPTY;
    }
  }

  /** Gives the chain popped last back to the available ring, to be popped again. Nothing may have been pushed for it. */
  unpop(): void {
    this.#nextAvail = (this.#nextAvail - 1) & 0xffff;
  }

  /**
   * Writes a used element; the driver sees it after {@link publish}.
   * @param head of a popped chain, each exactly once
   * @param written bytes written to the device-writable part, 0 ... 2^32 - 1
   */
  push(head: number, written: number): void {
    const at = this.#usedRingAt + (this.#nextUsed & this.#mask) * 2;
    this.#used32[at] = head;
    this.#used32[at + 1] = written;
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  /** Makes all pushed elements visible with one store of `used.idx`. @returns true if there were any */
  publish(): boolean {
    if (this.#published === this.#nextUsed) return false;
    this.#published = this.#nextUsed;
    this.#unsignalled = true;
    // Release: the elements are visible before the index; sequentially consistent, so that the load of the driver's
    // event word or flags in needsInterrupt() cannot move before it (a plain store may: measured).
    Atomics.store(this.#used16, this.#usedIdxAt, this.#nextUsed);
    return true;
  }

  /**
   * Whether the driver wants to hear of what was published since the last call.
   * Spec: virtio 1.2 section 2.7.7.2; with the event index, the driver's `used_event` lies in the half-open range
   * [lastSignalled, nextUsed), compared modulo 2^16. Comparing `nextUsed > usedEvent` would be wrong at the wrap.
   */
  needsInterrupt(): boolean {
    if (!this.#unsignalled) return false;
    this.#unsignalled = false;
    const last = this.#lastSignalled;
    const next = this.#published;
    this.#lastSignalled = next;
    if (!this.#eventIdx) {
      return (Atomics.load(this.#avail16, this.#availFlagsAt) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    }
    const event = Atomics.load(this.#avail16, this.#usedEventAt);
    return ((next - event - 1) & 0xffff) < ((next - last) & 0xffff);
  }

  /** Asks the driver not to kick while we are looking anyway. A hint. */
  disableKicks(): void {
    if (this.#eventIdx) return; // avail_event simply stays behind
    if (this.#usedFlags === VIRTQ_USED_F_NO_NOTIFY) return;
    this.#usedFlags = VIRTQ_USED_F_NO_NOTIFY;
    Atomics.store(this.#used16, this.#usedFlagsAt, VIRTQ_USED_F_NO_NOTIFY);
  }

  /**
   * Asks for kicks again, then looks once more.
   * @returns true if something became available meanwhile: drain again, its kick may never come
   */
  enableKicks(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.#used16, this.#availEventAt, this.#nextAvail);
    } else if (this.#usedFlags !== 0) {
      this.#usedFlags = 0;
      Atomics.store(this.#used16, this.#usedFlagsAt, 0);
    }
    return this.hasWork();
  }

  /** Reads a chain once into `chain`, checking everything. One budget of `size` descriptors, indirect ones included. */
  #walk(head: number, chain: DescChain): number {
    chain.head = head;
    chain.count = 0;
    chain.readableCount = 0;
    chain.readableBytes = 0;
    chain.writableBytes = 0;
    let table = this.#desc32;
    let base = this.#descAt;
    let limit = this.size;
    let index = head;
    let budget = this.size;
    let fault = false;
    let indirect = false;
    for (;;) {
      if (budget === 0) return CHAIN_LOOP;
      budget--;
      const at = base + index * (VIRTQ_DESC_BYTES / 4);
      const low = u32At(table, at);
      const high = u32At(table, at + 1);
      const length = u32At(table, at + 2);
      const flagsNext = u32At(table, at + 3); // u16 flags, u16 next
      if ((flagsNext & VIRTQ_DESC_F_INDIRECT) !== 0) {
        const entries = length / VIRTQ_DESC_BYTES;
        const wrong = !this.#indirect || indirect || (flagsNext & VIRTQ_DESC_F_NEXT) !== 0;
        if (wrong || !Number.isInteger(entries) || entries === 0) return CHAIN_BAD_INDIRECT;
        const address = high * 0x1_0000_0000 + low;
        if (high >= MAX_ADDRESS_HIGH || !this.#memory.translate(address, length)) return CHAIN_DATA_FAULT;
        if (this.#memory.offset % 4 !== 0) return CHAIN_DATA_FAULT;
        table = this.#memory.chunk.u32;
        base = this.#memory.offset / 4;
        limit = entries;
        index = 0;
        indirect = true;
        budget++; // the pointer itself does not count
        continue;
      }
      if (!this.#append(chain, low, high, length, (flagsNext & VIRTQ_DESC_F_WRITE) !== 0)) fault = true;
      if ((flagsNext & VIRTQ_DESC_F_NEXT) === 0) break;
      index = flagsNext >>> 16;
      if (index >= limit) return CHAIN_BAD_INDEX;
    }
    return fault ? CHAIN_DATA_FAULT : CHAIN_OK;
  }

  /** Adds one descriptor. @returns false on a data fault: order, total length, or a range outside the memory */
  #append(chain: DescChain, low: number, high: number, length: number, writable: boolean): boolean {
    const memory = this.#memory;
    if (high >= MAX_ADDRESS_HIGH || !memory.translate(high * 0x1_0000_0000 + low, length)) return false;
    const i = chain.count;
    chain.chunk[i] = memory.chunkIndex;
    chain.offset[i] = memory.offset;
    chain.length[i] = length;
    chain.count = i + 1;
    if (writable) {
      chain.writableBytes += length;
      return chain.readableBytes + chain.writableBytes <= MAX_CHAIN_BYTES;
    }
    if (chain.readableCount !== i) return false; // readable after writable
    chain.readableCount = i + 1;
    chain.readableBytes += length;
    return chain.readableBytes <= MAX_CHAIN_BYTES;
  }
}
