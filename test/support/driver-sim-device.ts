/** A device side and a driver side over the same test memory, for tests of the queue itself. */
import { DescChain } from '#lkvm/virtio/queue/desc-chain.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import { VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';
import { DriverQueue } from './driver-sim.js';
import { TestMemory } from './driver-sim-memory.js';

export interface QueuePairOptions {
  readonly size?: number;
  readonly indirect?: boolean;
  readonly eventIdx?: boolean;
  readonly access?: number;
  readonly bytes?: number;
}

export interface QueuePair {
  readonly memory: TestMemory;
  readonly driver: DriverQueue;
  readonly queue: VirtQueue;
  /** Large enough for any chain. */
  readonly chain: DescChain;
}

/** A legacy ring at the memory's second page; `memory.alloc` gives addresses behind it. */
export function queuePair(options: QueuePairOptions = {}): QueuePair {
  const size = options.size ?? 8;
  const access = options.access ?? 0;
  const memory = new TestMemory({ bytes: options.bytes ?? 0x20_000, access });
  memory.alloc(0x1000);
  const eventIdx = options.eventIdx ?? false;
  const driver = new DriverQueue({
    memory: memory.u8,
    base: memory.gpa,
    size,
    legacyAt: memory.gpa + 0x1000,
    eventIdx,
  });
  memory.alloc(driver.layout.end - memory.gpa - 0x1000);
  const { desc, avail, used } = driver.layout;
  const config = { index: 0, maxSize: size, size, layout: { desc, avail, used } };
  const queue = activateQueue(config, memory.memory, { indirect: options.indirect ?? false, eventIdx });
  if (!(queue instanceof VirtQueue)) throw new Error(queue);
  return { memory, driver, queue, chain: new DescChain(size) };
}
