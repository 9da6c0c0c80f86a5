/** The device's end of one running queue: the ring, a chain to pop into, and the book-keeping at the end of a drain. */
import type { IovArray } from '../../memory/iov-array.js';
import { COUNTER_FAULTS, type Counters, count } from '../../util/counters.js';
import type { ActiveDevice } from '../core/device.js';
import { DRAIN_BLOCKED, finishDrain } from '../core/drain.js';
import { DescChain } from '../queue/desc-chain.js';
import type { VirtQueue } from '../queue/virt-queue.js';

/** Exists from `activate` to `reset`. Thread: reactor. */
export class QueueEnd {
  readonly queue: VirtQueue;
  readonly chain: DescChain;
  readonly iov: IovArray;
  readonly #active: ActiveDevice;
  readonly #counters: Counters;
  #faultsSeen = 0;

  /** @param iov empty; this queue's alone */
  constructor(active: ActiveDevice, queue: VirtQueue, iov: IovArray, counters: Counters) {
    this.queue = queue;
    this.chain = new DescChain(queue.size);
    this.iov = iov;
    this.#active = active;
    this.#counters = counters;
  }

  /** Completes the popped chain with length 0 and counts a fault. */
  refuse(): void {
    this.queue.push(this.chain.head, 0);
    count(this.#counters, COUNTER_FAULTS, 1);
  }

  /** End of a drain: publishes, counts data faults, and signals if the driver wants it. Hot path. */
  settle(): void {
    this.#finish(DRAIN_BLOCKED);
  }

  /** The ring's structure is broken: settles, then tells the transport, which resets the device. Return at once. */
  fault(code: number): void {
    this.#finish(code);
  }

  #finish(status: number): void {
    const { queue } = this;
    if (queue.dataFaults !== this.#faultsSeen) {
      count(this.#counters, COUNTER_FAULTS, queue.dataFaults - this.#faultsSeen);
      this.#faultsSeen = queue.dataFaults;
    }
    finishDrain(queue, status, this.#active.notifier);
  }
}
