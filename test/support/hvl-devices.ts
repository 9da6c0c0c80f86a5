/**
 * Small real devices for transport tests: one that answers each request at once, with what it read (echo), and one that
 * takes its receive buffers only when it is given something to deliver.
 */

import type { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { COUNTER_COUNT, type Counters } from '#lkvm/util/counters.js';
import type { ActiveDevice, VirtioDevice } from '#lkvm/virtio/core/device.js';
import type { Features } from '#lkvm/virtio/core/features.js';
import { DescChain } from '#lkvm/virtio/queue/desc-chain.js';
import { CHAIN_EMPTY, CHAIN_OK, type VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';

export interface TestDeviceOptions {
  readonly name?: string;
  readonly deviceId?: number;
  readonly queueMaxSizes?: readonly number[];
  readonly features?: Features;
  readonly config?: Uint8Array;
  /** Chains per call of processQueue. */
  readonly budget?: number;
}

const STAGING = 0x10000;

/** Queue 0: receive (see {@link TestDevice.deliver}); all others: echo. With one queue: echo. */
export class TestDevice implements VirtioDevice {
  readonly deviceId: number;
  readonly name: string;
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config: Uint8Array;
  readonly counters: Counters = new Float64Array(COUNTER_COUNT);
  /** Calls, in order: "activate", "reset", "process 0", ... */
  readonly calls: string[] = [];
  active: ActiveDevice | undefined;
  /** Called between the read and the answer of each echoed chain. */
  onChain: () => void = () => {};
  readonly #budget: number;
  readonly #chain = new DescChain(32768);
  readonly #iov = new Map<GuestMemory, IovArray>();
  readonly #bytes = new Uint8Array(STAGING);
  readonly #backlog: Uint8Array[] = [];

  constructor(options: TestDeviceOptions = {}) {
    this.name = options.name ?? 'rng';
    this.deviceId = options.deviceId ?? 4;
    this.features = options.features ?? { low: 0, high: 0 };
    this.queueMaxSizes = options.queueMaxSizes ?? [128];
    this.config = options.config ?? new Uint8Array(0);
    this.#budget = options.budget ?? 256;
  }

  activate(active: ActiveDevice): void {
    this.calls.push('activate');
    this.active = active;
  }

  reset(): void {
    this.calls.push('reset');
    this.active = undefined;
    this.#backlog.length = 0;
  }

  close(): void {
    this.calls.push('close');
  }

  processQueue(index: number): boolean {
    this.calls.push(`process ${index}`);
    const queue = this.active?.queues[index];
    if (queue === undefined) return false;
    return index === 0 && this.queueMaxSizes.length > 1 ? this.#receive(queue) : this.#echo(queue);
  }

  /** Data for the driver: into the next receive buffer, now or when there is one. */
  deliver(bytes: Uint8Array): void {
    this.#backlog.push(bytes);
    const queue = this.active?.queues[0];
    if (queue !== undefined) this.#receive(queue);
  }

  #iovOf(memory: GuestMemory): IovArray {
    const known = this.#iov.get(memory);
    if (known !== undefined) return known;
    const made = new IovArray(memory, 32768, STAGING);
    this.#iov.set(memory, made);
    return made;
  }

  #receive(queue: VirtQueue): boolean {
    const active = this.active as ActiveDevice;
    const iov = this.#iovOf(active.memory);
    let status = CHAIN_OK;
    while (this.#backlog.length > 0) {
      status = queue.pop(this.#chain);
      if (status !== CHAIN_OK) break;
      const bytes = this.#backlog.shift() as Uint8Array;
      this.#chain.writable(iov);
      const n = iov.scatter(bytes, 0, 0, bytes.length);
      iov.commit(n);
      queue.push(this.#chain.head, n);
    }
    this.#finish(queue, status);
    return false;
  }

  #echo(queue: VirtQueue): boolean {
    const active = this.active as ActiveDevice;
    const iov = this.#iovOf(active.memory);
    let status = CHAIN_OK;
    let left = this.#budget;
    do {
      queue.disableKicks();
      while (left > 0) {
        status = queue.pop(this.#chain);
        if (status !== CHAIN_OK) break;
        left--;
        this.#chain.readable(iov);
        const n = iov.gather(this.#bytes, 0, 0, STAGING);
        this.onChain();
        if (this.active !== active) return false;
        this.#chain.writable(iov);
        const written = iov.scatter(this.#bytes, 0, 0, n);
        iov.commit(written);
        queue.push(this.#chain.head, written);
      }
      queue.publish();
    } while (left > 0 && status === CHAIN_EMPTY && queue.enableKicks());
    this.#finish(queue, status);
    return status === CHAIN_OK;
  }

  #finish(queue: VirtQueue, status: number): void {
    const active = this.active as ActiveDevice;
    queue.publish();
    if (queue.needsInterrupt()) active.notifier.usedBuffers(queue.index);
    if (status < 0) active.notifier.driverFault(queue.index, status);
  }
}
