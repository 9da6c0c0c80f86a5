/**
 * The bounce-buffer shim: a ring with one persistent piece of pool memory per descriptor. Data from elsewhere is copied
 * into the slot of the descriptor that carries it; nothing is allocated per request, so nothing can run out half-way
 * through one. What can be made in a slot ({@link SlotQueue.begin}) is not copied at all.
 *
 * Hot path: nothing here allocates or throws.
 */
import type { DriverQueue } from './driver-queue.js';
import type { PoolBuffer } from './pool.js';

/** Ring plus slots. Chains of one descriptor. */
export class SlotQueue {
  readonly queue: DriverQueue;
  readonly slots: PoolBuffer;
  readonly slotBytes: number;
  /** How many descriptors have a slot; with fewer slots than descriptors only those are used for slots. */
  readonly slotCount: number;
  #inUse = 0;

  /**
   * @param slots memory for `slotCount` slots
   * @param slotBytes a multiple of 4
   */
  constructor(queue: DriverQueue, slots: PoolBuffer, slotBytes: number) {
    this.queue = queue;
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.slotCount = Math.min(queue.size, Math.floor(slots.bytes / slotBytes));
  }

  /** Slots that {@link begin} can still give. */
  get free(): number {
    return Math.min(this.slotCount - this.#inUse, this.queue.freeCount);
  }

  /**
   * Takes a slot to be filled in place, at {@link slotOffset}; then {@link submitSlot} it.
   * @returns the head, or -1 if all are in flight
   */
  begin(): number {
    // The free list is last in, first out and starts at 0, so the first `slotCount` descriptors are the ones in use.
    if (this.#inUse >= this.slotCount) return -1;
    const head = this.queue.begin();
    if (head >= 0) this.#inUse++;
    return head;
  }

  /** Offset of a head's slot in `slots`. */
  slotOffset(head: number): number {
    return head * this.slotBytes;
  }

  /** Submits the first `bytes` of a slot; publish follows. @param writable for the device to fill */
  submitSlot(head: number, bytes: number, writable: boolean): void {
    this.queue.set(head, this.slots.address + head * this.slotBytes, bytes, writable);
    this.queue.submit(head);
  }

  /**
   * Copies data into a slot and submits it; publish follows.
   * @param bytes 1 ... slotBytes
   * @returns false if all slots are in flight
   */
  send(data: Uint8Array, offset: number, bytes: number): boolean {
    const head = this.begin();
    if (head < 0) return false;
    this.slots.write(head * this.slotBytes, data, offset, bytes);
    this.submitSlot(head, bytes, false);
    return true;
  }

  /** Gives every free slot to the device to fill; publish follows. @returns how many */
  postAll(): number {
    let n = 0;
    while (this.free > 0) {
      this.submitSlot(this.begin(), this.slotBytes, true);
      n++;
    }
    return n;
  }

  /** Gives a popped slot back to the device, unchanged; publish follows. */
  repost(head: number): void {
    this.queue.submit(head);
  }

  /** Takes back a popped slot. */
  release(head: number): void {
    this.#inUse--;
    this.queue.release(head);
  }

  /** Copies out of a slot. The range lies in the slot. */
  read(head: number, offset: number, to: Uint8Array, toOff: number, bytes: number): void {
    this.slots.read(head * this.slotBytes + offset, to, toOff, bytes);
  }
}
