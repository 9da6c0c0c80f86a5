/** Entropy device driver: one queue, device-writable buffers. Spec: virtio 1.2 section 5.4. */

import type { Device } from './device.js';
import { USED_EMPTY } from './driver-queue.js';
import { DeviceError } from './errors.js';
import type { Condition } from './ports.js';
import { SlotQueue } from './slots.js';

const QUEUE_SIZE = 8;
const SLOT_BYTES = 1024;
const SLOTS = 4;
const ANSWER_MS = 10_000;

/** Thread: the front end's only one. */
export class RngDriver implements Condition {
  readonly device: Device;
  readonly #ring: SlotQueue;

  /** Opens and starts the device. Errors: HandshakeError, PoolExhaustedError. */
  constructor(device: Device) {
    this.device = device;
    device.open(0, [QUEUE_SIZE]);
    const queue = device.queues[0];
    if (queue === undefined) throw new DeviceError('rng: the device has no queue');
    const slots = Math.min(SLOTS, queue.size);
    this.#ring = new SlotQueue(queue, device.memory.alloc('entropy', slots * SLOT_BYTES, 64), SLOT_BYTES);
    device.run();
  }

  ready(): boolean {
    return this.#ring.queue.hasUsed();
  }

  /**
   * Fills `to[offset ... offset + bytes)` with entropy, waiting as long as it takes; as many buffers at once as there are.
   * Errors: DeviceError (no answer within 10 s, a broken ring, or an empty answer).
   */
  fill(to: Uint8Array, offset: number, bytes: number): void {
    for (let done = 0; done < bytes; ) done += this.#batch(to, offset + done, bytes - done);
  }

  /** @returns bytes received, at least 1 */
  #batch(to: Uint8Array, offset: number, bytes: number): number {
    const ring = this.#ring;
    this.#drainLate();
    for (let asked = 0; asked < bytes && ring.free > 0; asked += SLOT_BYTES) {
      ring.submitSlot(ring.begin(), Math.min(SLOT_BYTES, bytes - asked), true);
    }
    this.device.flush(ring.queue);
    let done = 0;
    while (ring.queue.inFlight > 0) {
      if (!this.device.line.waitUntil(this, ANSWER_MS)) {
        throw new DeviceError(`rng: no answer within ${ANSWER_MS / 1000} s`);
      }
      done += this.#take(to, offset + done, bytes - done);
    }
    return done;
  }

  /** Takes what is there. @returns bytes put into `to` */
  #take(to: Uint8Array, offset: number, bytes: number): number {
    const ring = this.#ring;
    let done = 0;
    for (;;) {
      const head = ring.queue.pop();
      if (head === USED_EMPTY) return done;
      if (head < 0) throw new DeviceError('rng: the used ring is broken');
      const got = Math.min(bytes - done, ring.queue.usedBytes);
      ring.read(head, 0, to, offset + done, got);
      ring.release(head);
      if (got === 0) throw new DeviceError('rng: the device returned no entropy');
      done += got;
    }
  }

  /** Answers to requests given up earlier. */
  #drainLate(): void {
    for (;;) {
      const head = this.#ring.queue.pop();
      if (head === USED_EMPTY) break;
      if (head < 0) throw new DeviceError('rng: the used ring is broken');
      this.#ring.release(head);
    }
    if (this.#ring.queue.inFlight > 0) throw new DeviceError('rng: the device does not answer');
  }
}
