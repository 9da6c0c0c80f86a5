/** A device with its queues set up over test memory, a driver's side for each queue, and a record of what it signals. */
import { ACCESS_DIRECT } from '#lkvm/memory/guest-memory.js';
import type { Notifier, VirtioDevice } from '#lkvm/virtio/core/device.js';
import { type Features, NO_FEATURES } from '#lkvm/virtio/core/features.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import type { VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';
import { DriverQueue } from './driver-sim.js';
import { TestMemory } from './driver-sim-memory.js';

export interface DeviceRigOptions {
  /** Sizes of the driver's rings, by index. */
  readonly sizes: readonly number[];
  /** What the driver accepts; default none. */
  readonly features?: Features;
  /** ACCESS_DIRECT (default) or ACCESS_WORD. */
  readonly access?: number;
  /** Bytes of shared memory, default 1 MiB. */
  readonly bytes?: number;
}

/** See the file's head. A structural fault resets the device, as a transport does. */
export class DeviceRig implements Notifier {
  readonly device: VirtioDevice;
  readonly memory: TestMemory;
  drivers: DriverQueue[] = [];
  queues: VirtQueue[] = [];
  /** Used buffer notifications, by queue. */
  readonly interrupts: number[] = [];
  /** Structural faults: queue and code. */
  readonly faults: { readonly queue: number; readonly code: number }[] = [];
  configChanges = 0;
  readonly #options: DeviceRigOptions;

  constructor(device: VirtioDevice, options: DeviceRigOptions) {
    this.device = device;
    this.#options = options;
    this.memory = new TestMemory({
      bytes: options.bytes ?? 0x10_0000,
      access: options.access ?? ACCESS_DIRECT,
    });
    this.interrupts = options.sizes.map(() => 0);
  }

  /** Fresh rings, DRIVER_OK, and the first look at all queues. */
  start(): void {
    this.prepare();
    this.activate();
  }

  /** Fresh rings, so that buffers can be added before {@link activate}. */
  prepare(): void {
    const { memory } = this;
    this.drivers = this.#options.sizes.map((size) => {
      const legacyAt = memory.alloc(0x3000, 4096);
      return new DriverQueue({ memory: memory.u8, base: memory.gpa, size, legacyAt });
    });
  }

  activate(): void {
    const { memory } = this;
    this.queues = this.drivers.map((driver, index) => {
      const config = { index, size: driver.size, maxSize: driver.size, layout: driver.layout };
      const queue = activateQueue(config, memory.memory, { indirect: false, eventIdx: false });
      if (typeof queue === 'string') throw new Error(queue);
      return queue;
    });
    const features = this.#options.features ?? NO_FEATURES;
    this.device.activate({ queues: this.queues, features, memory: memory.memory, notifier: this });
    this.kick();
  }

  /** One pass over all queues, as after a doorbell; goes on while the device says that there is more. */
  kick(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) if (!this.pass()) return;
    throw new Error('DeviceRig: the device never finishes');
  }

  /** @returns true if any queue has more to do */
  pass(): boolean {
    let more = false;
    for (let q = 0; q < this.drivers.length; q++) if (this.device.processQueue(q)) more = true;
    return more;
  }

  driver(queue: number): DriverQueue {
    return this.drivers[queue] as DriverQueue;
  }

  /** Adds a chain of one buffer with `bytes` in it, for the device to read. @returns its head */
  send(queue: number, bytes: Uint8Array | string): number {
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const addr = this.memory.alloc(Math.max(1, data.length));
    const driver = this.driver(queue);
    driver.write(addr, data);
    const head = driver.addChain([{ addr, len: data.length }]);
    driver.publish();
    return head;
  }

  /** Adds a chain of one buffer for the device to fill. @returns the buffer's address */
  offer(queue: number, len: number): number {
    const addr = this.memory.alloc(Math.max(1, len));
    this.driver(queue).addChain([{ addr, len, writable: true }]);
    this.driver(queue).publish();
    return addr;
  }

  usedBuffers(queueIndex: number): void {
    this.interrupts[queueIndex] = (this.interrupts[queueIndex] ?? 0) + 1;
  }

  configChanged(): void {
    this.configChanges++;
  }

  driverFault(queue: number, code: number): void {
    this.faults.push({ queue, code });
    this.device.reset();
  }
}
