/**
 * Console device driver, port 0: a byte stream each way, in buffers of many bytes. What was received is left in the
 * ring until somebody reads it, so a fast typist is slowed down by the device and not buffered without end.
 * Spec: virtio 1.2 section 5.3.
 */
import type { Device } from './device.js';
import { type DriverQueue, USED_EMPTY } from './driver-queue.js';
import { DeviceError } from './errors.js';
import type { Condition } from './ports.js';
import { SlotQueue } from './slots.js';

const RX = 0;
const TX = 1;
const QUEUE_SIZE = 16;
const FOR_EVER_MS = 0x7fff_ffff;
/** Slot sizes to try, largest first: the last pair fits the default region. */
const RX_SLOT_BYTES = [256, 64];
const TX_SLOT_BYTES = [4096, 1024, 128];

/** Waits for room in, or the end of, the transmit ring. */
class TxWait implements Condition {
  readonly #queue: DriverQueue;
  readonly #whole: boolean;

  constructor(queue: DriverQueue, whole: boolean) {
    this.#queue = queue;
    this.#whole = whole;
  }

  ready(): boolean {
    return this.#queue.hasUsed() || (this.#whole && this.#queue.inFlight === 0);
  }
}

/** Thread: the front end's only one. */
export class ConsoleDriver implements Condition {
  readonly device: Device;
  readonly #rx: SlotQueue;
  readonly #tx: SlotQueue;
  readonly #room: TxWait;
  readonly #drained: TxWait;
  /** Received chain being read: its head or -1, how much of it there is, and how much was read. */
  #head = -1;
  #have = 0;
  #taken = 0;

  /** Opens and starts the device. Errors: HandshakeError, PoolExhaustedError. */
  constructor(device: Device) {
    this.device = device;
    device.open(0, [QUEUE_SIZE, QUEUE_SIZE]);
    this.#tx = slotQueue(device, TX, 'transmit buffers', TX_SLOT_BYTES); // first: it needs the room more
    this.#rx = slotQueue(device, RX, 'receive buffers', RX_SLOT_BYTES);
    this.#tx.queue.wanted = false; // completions are collected when room is needed
    this.#room = new TxWait(this.#tx.queue, false);
    this.#drained = new TxWait(this.#tx.queue, true);
    this.#rx.postAll();
    this.#rx.queue.publish(); // served at DRIVER_OK, no kick needed
    device.run();
  }

  /** True if there is something to read. */
  ready(): boolean {
    return this.#head >= 0 || this.#rx.queue.hasUsed();
  }

  /**
   * Reads what is there; does not wait.
   * @returns bytes put into `to`, 0 if there is nothing
   * Errors: DeviceError (broken ring).
   */
  read(to: Uint8Array): number {
    while (this.#head < 0) {
      const head = this.#rx.queue.pop();
      if (head === USED_EMPTY) return 0;
      if (head < 0) throw new DeviceError('console: the receive ring is broken');
      this.#head = head;
      this.#have = this.#rx.queue.usedBytes;
      this.#taken = 0;
      if (this.#have === 0) this.#giveBack();
    }
    const bytes = Math.min(to.length, this.#have - this.#taken);
    this.#rx.read(this.#head, this.#taken, to, 0, bytes);
    this.#taken += bytes;
    if (this.#taken === this.#have) this.#giveBack();
    return bytes;
  }

  /**
   * Writes everything, waiting for the device as long as it takes: a stopped terminal stops us.
   * Errors: DeviceError (broken ring).
   */
  write(data: Uint8Array): void {
    const tx = this.#tx;
    for (let at = 0; at < data.length; ) {
      this.#collect();
      const bytes = Math.min(tx.slotBytes, data.length - at);
      if (tx.free > 0 && tx.send(data, at, bytes)) {
        at += bytes;
        continue;
      }
      this.device.flush(tx.queue);
      this.#wait(this.#room, FOR_EVER_MS);
    }
    this.device.flush(tx.queue);
  }

  /** Waits until the device has taken everything written. @returns false if it has not within `timeoutMs` */
  drain(timeoutMs: number): boolean {
    const end = this.device.line.nowUs() + timeoutMs * 1000;
    for (;;) {
      this.#collect();
      if (this.#tx.queue.inFlight === 0) return true;
      const left = (end - this.device.line.nowUs()) / 1000;
      if (left <= 0 || !this.#wait(this.#drained, Math.ceil(left))) return false;
    }
  }

  #wait(condition: TxWait, timeoutMs: number): boolean {
    const queue = this.#tx.queue;
    queue.wanted = true;
    const done = this.device.line.waitUntil(condition, timeoutMs);
    queue.wanted = false;
    return done;
  }

  #collect(): void {
    for (;;) {
      const head = this.#tx.queue.pop();
      if (head === USED_EMPTY) return;
      if (head < 0) throw new DeviceError('console: the transmit ring is broken');
      this.#tx.release(head);
    }
  }

  #giveBack(): void {
    this.#rx.repost(this.#head);
    this.#head = -1;
    this.device.flush(this.#rx.queue);
  }
}

/** The largest slots there is room for. */
function slotQueue(device: Device, index: number, what: string, sizes: readonly number[]): SlotQueue {
  const queue = device.queues[index];
  if (queue === undefined) throw new DeviceError(`console: the device has no queue ${index}`);
  const count = Math.min(QUEUE_SIZE, queue.size);
  for (const bytes of sizes.slice(0, -1)) {
    const slots = device.memory.tryAlloc(count * bytes, 64);
    if (slots !== undefined) return new SlotQueue(queue, slots, bytes);
  }
  const least = sizes[sizes.length - 1] as number;
  return new SlotQueue(queue, device.memory.alloc(what, count * least, 64), least);
}
