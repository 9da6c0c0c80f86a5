/** What a driver and a disk have agreed on. */
import {
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
} from '../../../abi/virtio-blk.js';
import type { ActiveDevice } from '../../core/device.js';
import { type Features, featureSet, hasFeature } from '../../core/features.js';
import { DescChain } from '../../queue/desc-chain.js';
import type { VirtQueue } from '../../queue/virt-queue.js';
import type { BlockFacts } from './backend.js';

/** Everything that exists while a driver runs. */
export class BlkRun {
  readonly active: ActiveDevice;
  readonly queue: VirtQueue;
  readonly chain: DescChain;
  readonly generation: number;
  /** The driver cannot flush, so a write is answered when it is on the medium. Section 5.2.6.2. */
  readonly writeThrough: boolean;
  readonly discard: boolean;
  readonly writeZeroes: boolean;
  faultsSeen = 0;

  constructor(active: ActiveDevice, queue: VirtQueue, generation: number) {
    this.active = active;
    this.queue = queue;
    this.chain = new DescChain(queue.size);
    this.generation = generation;
    this.writeThrough = !hasFeature(active.features, VIRTIO_BLK_F_FLUSH);
    this.discard = hasFeature(active.features, VIRTIO_BLK_F_DISCARD);
    this.writeZeroes = hasFeature(active.features, VIRTIO_BLK_F_WRITE_ZEROES);
  }
}

/** All that a device can offer for a disk. */
export function possibleFeatures(facts: BlockFacts): Features {
  const bits = [VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_TOPOLOGY];
  if (facts.readOnly) bits.push(VIRTIO_BLK_F_RO);
  else bits.push(VIRTIO_BLK_F_WRITE_ZEROES);
  if (!facts.readOnly && facts.canDiscard) bits.push(VIRTIO_BLK_F_DISCARD);
  return featureSet(...bits);
}
