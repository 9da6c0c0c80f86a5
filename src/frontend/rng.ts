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
   * Fills `to[offset ... offset + bytes)` with entropy, waiting as long as it takes.
   * Errors: DeviceError (no answer within 10 s, or a broken ring).
   */
  fill(to: Uint8Array, offset: number, bytes: number): void {
    for (let done = 0; done < bytes; ) {
      done += this.#request(to, offset + done, Math.min(SLOT_BYTES, bytes - done));
    }
  }

  /** One buffer. @returns bytes received, at least 1 */
  #request(to: Uint8Array, offset: number, bytes: number): number {
    const ring = this.#ring;
    this.#drainLate();
    const head = ring.begin();
    if (head < 0) throw new DeviceError('rng: the device keeps every buffer');
    ring.submitSlot(head, bytes, true);
    this.device.flush(ring.queue);
    if (!this.device.line.waitUntil(this, ANSWER_MS)) {
      throw new DeviceError(`rng: no answer within ${ANSWER_MS / 1000} s`);
    }
    const used = ring.queue.pop();
    if (used < 0) throw new DeviceError('rng: the used ring is broken');
    const got = Math.min(bytes, ring.queue.usedBytes);
    ring.read(used, 0, to, offset, got);
    ring.release(used);
    if (got === 0) throw new DeviceError('rng: the device returned no entropy');
    return got;
  }

  /** Answers to requests given up earlier. */
  #drainLate(): void {
    for (;;) {
      const head = this.#ring.queue.pop();
      if (head === USED_EMPTY) return;
      if (head < 0) throw new DeviceError('rng: the used ring is broken');
      this.#ring.release(head);
    }
  }
}
