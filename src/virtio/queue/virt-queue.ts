/**
 * A running split virtqueue, device side.
 *
 * The contract is one drain per call, within a budget of the caller's choice:
 *
 *     queue.disableKicks();
 *     let status = CHAIN_OK;
 *     for (let left = BUDGET; left > 0; left--) {
 *       status = queue.pop(chain);
 *       if (status !== CHAIN_OK) break;
 *       ...; queue.push(chain.head, written);
 *     }
 *     return finishDrain(queue, status, notifier); // virtio/core/drain.ts: publish, interrupt, kicks, fault
 *
 * Never loop on `enableKicks()` without a budget: a driver on another processor can make chains available as fast as we
 * serve them. What is left is reported to the caller, who comes back in the next round.
 *
 * Ring memory belongs to a hostile driver: every field is read once, the copy is checked, the copy is used. Our own
 * positions (`nextAvail`, `nextUsed`) and the set of heads in flight are private; `used.idx` is never read back. A
 * *data fault* (address, length, order) completes the chain with length 0 and the loop goes on; a *structural fault*
 * (head, index jump, next, loop, bad indirect table) is returned as a negative code, and the device must stop.
 *
 * What a device may rely on, whatever the driver does: at most `size` chains are in flight, and no two of them have the
 * same head. So tables of requests may be indexed by head.
 *
 * Spec: virtio 1.2 section 2.7. Thread: the one that made it. Hot path: nothing here allocates or throws because of the
 * driver.
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
import { InvariantError, invariant } from '../../util/errors.js';
import { u16At, u32At } from '../../util/typed.js';
import type { DescChain } from './desc-chain.js';
import type { QueueConfig, RingFeatures } from './queue-config.js';
import { availRingBytes, descTableBytes, usedRingBytes } from './ring-layout.js';

/** A chain was popped. */
export const CHAIN_OK = 0;
/** Nothing is available. */
export const CHAIN_EMPTY = 1;
/** Structural: `avail.idx` is further ahead than the queue has room, counting what is in flight. */
export const CHAIN_BAD_AVAIL_IDX = -1;
/** Structural: a head or `next` index is not below the table size. */
export const CHAIN_BAD_INDEX = -2;
/** Structural: more descriptors than the queue size; a loop. */
export const CHAIN_LOOP = -3;
/** Structural: an indirect descriptor that was not negotiated, is nested, has a `next`, or an odd or empty table. */
export const CHAIN_BAD_INDIRECT = -4;
/** Structural: a head was made available again while its chain is still in flight. */
export const CHAIN_IN_FLIGHT = -5;

/** Private result of #walk: the chain is answered with length 0. */
const CHAIN_DATA_FAULT = 2;
/** Private result of #nextHead: nothing is available. */
const NO_HEAD = -100;

// Where a head is: with the driver, with the device, or given back by the device.
const FREE = 0;
const POPPED = 1;
const RETURNED = 2;

// Imported bindings are loaded and checked at every use, a module's own constants are not (V8 11: 2 ns per chain).
const NEXT = VIRTQ_DESC_F_NEXT;
const WRITE = VIRTQ_DESC_F_WRITE;
const INDIRECT = VIRTQ_DESC_F_INDIRECT;
const half = u16At;
const word = u32At;
const MAX_CHAIN_BYTES = 0xffff_ffff;
const DESC_WORDS = VIRTQ_DESC_BYTES / 4;

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
    case CHAIN_IN_FLIGHT:
      return 'a head was made available again before it was used';
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

  /** By head: FREE, POPPED or RETURNED. */
  readonly #state: Uint8Array;
  /** Heads given back by {@link unpop}, a stack; popped again before the available ring is looked at. */
  readonly #returned: Uint16Array;
  #returnedCount = 0;
  /** Head of the chain popped last. */
  #lastHead = -1;

  #nextAvail = 0;
  /** Last `avail.idx` read: entries up to it may be read without loading the index again. */
  #availIdx = 0;
  #nextUsed = 0;
  #published = 0;
  /** Elements published since the last interrupt decision. Not modulo 2^16: a long drain may publish more than that. */
  #unsignalled = 0;
  #usedFlags = 0;
  #polled = false;
  #lingering = false;
  /** `avail.idx` when `pop` or `enableKicks` last looked. */
  #lookedIdx = 0;

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
    this.#state = new Uint8Array(size);
    this.#returned = new Uint16Array(size);
  }

  /**
   * The driver's `avail.idx` as it is now. For a transport that polls: it moves when the driver adds buffers, whatever
   * the device has left in the ring (receive buffers waiting for data).
   */
  loadAvailIdx(): number {
    return Atomics.load(this.#avail16, this.#availIdxAt);
  }

  /** The same without any ordering, at a seventh of the price: only to find out whether a proper look is worth while. */
  peekAvailIdx(): number {
    return half(this.#avail16, this.#availIdxAt);
  }

  /**
   * Takes the next chain.
   * @param chain overwritten; capacity at least the queue size
   * @returns CHAIN_OK, CHAIN_EMPTY, or a negative structural fault (stop the device; the head is not consumed)
   */
  pop(chain: DescChain): number {
    // At most `size` turns: a chain refused below is unpublished, and #nextHead() does not go beyond `size` of those, so a
    // driver that feeds bad chains as fast as they are refused cannot hold the thread.
    for (;;) {
      const again = this.#returnedCount !== 0;
      const head = again ? half(this.#returned, this.#returnedCount - 1) : this.#nextHead();
      if (head < 0) return head === NO_HEAD ? CHAIN_EMPTY : head;
      const status = this.#walk(head, chain);
      if (status < 0) return status;
      if (again) this.#returnedCount--;
      else this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
      this.#state[head] = POPPED;
      if (status === CHAIN_OK) {
        this.#lastHead = head;
        return CHAIN_OK;
      }
      this.dataFaults++;
      this.push(head, 0);
    }
  }

  /**
   * Gives a chain back, to be popped again before any other; its descriptors are then read and checked anew. To give
   * several back, begin with the one popped last.
   * @param head of a chain that was popped and not pushed; by default the one popped last
   * Errors: InvariantError if it is not like that: a bug of the device.
   */
  unpop(head = this.#lastHead): void {
    invariant(this.#state[head] === POPPED, 'only popped chains are given back');
    this.#state[head] = RETURNED;
    this.#returned[this.#returnedCount] = head;
    this.#returnedCount++;
  }

  /**
   * Writes a used element; the driver sees it after {@link publish}.
   * @param head of a popped chain, each exactly once
   * @param written bytes written to the device-writable part, 0 ... 2^32 - 1
   * Errors: InvariantError if that chain is not in flight: a bug of the device, whatever the driver did.
   */
  push(head: number, written: number): void {
    if (this.#state[head] !== POPPED) throw new InvariantError(`chain ${head} is pushed, but not in flight`);
    this.#state[head] = FREE;
    const at = this.#usedRingAt + (this.#nextUsed & this.#mask) * 2;
    this.#used32[at] = head;
    this.#used32[at + 1] = written;
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  /** Makes all pushed elements visible with one store of `used.idx`. @returns true if there were any */
  publish(): boolean {
    const count = (this.#nextUsed - this.#published) & 0xffff;
    if (count === 0) return false;
    this.#published = this.#nextUsed;
    this.#unsignalled += count;
    // Release: the elements are visible before the index; sequentially consistent, so that the load of the driver's
    // event word or flags in needsInterrupt() cannot move before it (a plain store may: measured).
    Atomics.store(this.#used16, this.#usedIdxAt, this.#nextUsed);
    return true;
  }

  /**
   * Whether the driver wants to hear of what was published since the last call.
   * Spec: virtio 1.2 section 2.7.7.2; with the event index, the driver's `used_event` is one of the positions filled
   * since the last decision, compared modulo 2^16. Comparing `nextUsed > usedEvent` would be wrong at the wrap.
   */
  needsInterrupt(): boolean {
    const count = this.#unsignalled;
    if (count === 0) return false;
    this.#unsignalled = 0;
    if (!this.#eventIdx) {
      return (Atomics.load(this.#avail16, this.#availFlagsAt) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    }
    // A whole turn of the index or more passes every position; its remainder modulo 2^16 may well be 0.
    return ((this.#published - Atomics.load(this.#avail16, this.#usedEventAt) - 1) & 0xffff) < count;
  }

  /** Asks the driver not to kick while we are looking anyway. A hint. */
  disableKicks(): void {
    if (this.#eventIdx) return; // avail_event simply stays behind
    if (this.#usedFlags === VIRTQ_USED_F_NO_NOTIFY) return;
    this.#usedFlags = VIRTQ_USED_F_NO_NOTIFY;
    Atomics.store(this.#used16, this.#usedFlagsAt, VIRTQ_USED_F_NO_NOTIFY);
  }

  /**
   * The transport looks at the ring by itself and wants no kicks, until told otherwise: {@link enableKicks} then only
   * looks. Switched off, it does not ask for kicks yet: call {@link enableKicks}.
   */
  setPolled(polled: boolean): void {
    this.#polled = polled;
    if (!polled) return;
    // A position the driver has passed: it comes there again after 65,535 chains, and one kick too many does no harm.
    if (this.#eventIdx) Atomics.store(this.#used16, this.#availEventAt, (this.#nextAvail - 1) & 0xffff);
    else this.disableKicks();
  }

  /**
   * The device looks at the ring again in a moment and wants no kicks until then: {@link enableKicks} only looks. Switched
   * off, it does not ask for kicks yet: call {@link enableKicks}.
   */
  setLingering(lingering: boolean): void {
    this.#lingering = lingering;
  }

  /**
   * Asks for kicks again, then looks once more. Call it when `pop` said CHAIN_EMPTY.
   * @returns true if something became available meanwhile: drain again soon, its kick may never come. Chains that the
   *   device knows of and left in the ring do not count.
   */
  enableKicks(): boolean {
    if (this.#polled || this.#lingering) {
      // The look is enough.
    } else if (this.#eventIdx) {
      Atomics.store(this.#used16, this.#availEventAt, this.#nextAvail);
    } else if (this.#usedFlags !== 0) {
      this.#usedFlags = 0;
      Atomics.store(this.#used16, this.#usedFlagsAt, 0);
    }
    const idx = this.loadAvailIdx();
    const moved = idx !== this.#lookedIdx;
    this.#lookedIdx = idx;
    return moved;
  }

  /** The next head of the available ring, not consumed. @returns NO_HEAD, or a structural fault */
  #nextHead(): number {
    if (this.#nextAvail === this.#availIdx) {
      // Acquire: the ring entries and the descriptors were written before avail.idx.
      const idx = Atomics.load(this.#avail16, this.#availIdxAt);
      this.#lookedIdx = idx;
      const fresh = (idx - this.#nextAvail) & 0xffff;
      if (fresh === 0) return NO_HEAD;
      // The driver cannot have got back more than we published: what is in flight takes room in the ring, too. This
      // also catches an index that moved backwards.
      const unpublished = (this.#nextAvail - this.#published) & 0xffff;
      if (fresh + unpublished > this.size) return CHAIN_BAD_AVAIL_IDX;
      this.#availIdx = idx;
    }
    const head = half(this.#avail16, this.#availRingAt + (this.#nextAvail & this.#mask));
    if (head >= this.size) return CHAIN_BAD_INDEX;
    return this.#state[head] === FREE ? head : CHAIN_IN_FLIGHT;
  }

  /**
   * Reads a chain once into `chain`, checking everything. One budget of `size` descriptors, indirect ones included.
   * One function with its sums in locals, on purpose: split up, V8 sometimes inlines the parts and sometimes does not,
   * and a chain of four takes 45 or 64 ns.
   */
  #walk(head: number, chain: DescChain): number {
    const memory = this.#memory;
    let table = this.#desc32;
    let base = this.#descAt;
    let limit = this.size;
    let index = head;
    let indirect = false;
    let fault = false;
    let count = 0;
    let readableCount = 0;
    let readableBytes = 0;
    let writableBytes = 0;
    for (let budget = this.size; budget > 0; budget--) {
      const at = (base + index * DESC_WORDS) >>> 0;
      const low = word(table, at);
      const high = word(table, at + 1);
      const bytes = word(table, at + 2);
      const flagsNext = word(table, at + 3); // u16 flags, u16 next
      if ((flagsNext & INDIRECT) !== 0) {
        if (!this.#indirect || indirect || (flagsNext & NEXT) !== 0) return CHAIN_BAD_INDIRECT;
        if (bytes === 0 || bytes % VIRTQ_DESC_BYTES !== 0) return CHAIN_BAD_INDIRECT;
        if (!memory.translateWords(low, high, bytes) || (memory.offset & 3) !== 0) return CHAIN_DATA_FAULT;
        table = memory.chunk.u32;
        base = memory.offset >>> 2;
        limit = bytes / VIRTQ_DESC_BYTES;
        index = 0;
        indirect = true;
        budget++; // the pointer to the table is not a descriptor of the chain
        continue;
      }
      if (memory.translateWords(low, high, bytes)) {
        chain.chunk[count] = memory.chunkIndex;
        chain.offset[count] = memory.offset;
        chain.length[count] = bytes;
        if ((flagsNext & WRITE) !== 0) {
          writableBytes += bytes;
        } else {
          if (readableCount !== count) fault = true; // readable after writable
          readableCount++;
          readableBytes += bytes;
        }
        count++;
      } else {
        fault = true;
      }
      if ((flagsNext & NEXT) === 0) {
        chain.set(head, count, readableCount, readableBytes, writableBytes);
        return fault || readableBytes + writableBytes > MAX_CHAIN_BYTES ? CHAIN_DATA_FAULT : CHAIN_OK;
      }
      index = flagsNext >>> 16;
      if (index >= limit) return CHAIN_BAD_INDEX;
    }
    return CHAIN_LOOP;
  }
}
