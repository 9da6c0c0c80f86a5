/** A virtqueue while the driver is still writing registers, and the check that turns it into a running one. */
import {
  VIRTQ_AVAIL_ALIGN,
  VIRTQ_DESC_ALIGN,
  VIRTQ_SIZE_MAX,
  VIRTQ_USED_ALIGN,
} from '../../abi/virtio-ring.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { availRingBytes, descTableBytes, type RingLayout, usedRingBytes } from './ring-layout.js';
import { VirtQueue } from './virt-queue.js';

/** Why a queue cannot run. */
export type QueueFault =
  | 'size is not a power of two'
  | 'size is above the maximum'
  | 'misaligned'
  | 'outside the shared memory';

/** The registers of one queue. Plain values; no check until {@link activateQueue}. */
export interface QueueConfig {
  readonly index: number;
  /** Largest allowed `size`, 1 ... 32768. */
  readonly maxSize: number;
  readonly size: number;
  readonly layout: RingLayout;
}

/** Negotiated features the ring itself depends on. */
export interface RingFeatures {
  readonly indirect: boolean;
  readonly eventIdx: boolean;
}

/**
 * Checks a configuration and builds the running queue; the only way to get one.
 * @returns the queue, or what is wrong with the configuration
 * Spec: virtio 1.2 section 2.7 (size, alignment 16 / 2 / 4).
 */
export function activateQueue(
  config: QueueConfig,
  memory: GuestMemory,
  features: RingFeatures,
): VirtQueue | QueueFault {
  const { size, layout } = config;
  if (size < 1 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) !== 0) return 'size is not a power of two';
  if (size > config.maxSize) return 'size is above the maximum';
  if (
    layout.desc % VIRTQ_DESC_ALIGN !== 0 ||
    layout.avail % VIRTQ_AVAIL_ALIGN !== 0 ||
    layout.used % VIRTQ_USED_ALIGN !== 0
  ) {
    return 'misaligned';
  }
  const inside =
    memory.translate(layout.desc, descTableBytes(size)) &&
    memory.translate(layout.avail, availRingBytes(size)) &&
    memory.translate(layout.used, usedRingBytes(size));
  if (!inside) return 'outside the shared memory';
  return new VirtQueue(config, memory, features);
}
