/** The check of a predefined feature list against what a device can do. */
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../abi/virtio.js';
import { ConfigError } from '../../util/errors.js';
import type { Features } from '../core/features.js';

/** Every device can have these: the queue does them. */
const RING_FEATURES = (1 << VIRTIO_F_INDIRECT_DESC) | (1 << VIRTIO_F_EVENT_IDX);

/**
 * Refuses features that nobody would honour.
 * @param device its name, for the message
 * @param possible mask of bits 0 ... 31 that the device can do, besides those of the ring
 * Errors: ConfigError naming the bits and what is allowed. Bits above 31 are the transport's.
 */
export function checkFeatures(device: string, asked: Features, possible: number): void {
  const allowed = (possible | RING_FEATURES) >>> 0;
  const wrong = (asked.low & ~allowed) >>> 0;
  if (wrong === 0) return;
  const bits: number[] = [];
  for (let bit = 0; bit < 32; bit++) if (((wrong >>> bit) & 1) !== 0) bits.push(bit);
  throw new ConfigError(
    `the ${device} device cannot do feature ${bits.join(', ')} here; allowed bits: 0x${allowed.toString(16)}`,
  );
}
