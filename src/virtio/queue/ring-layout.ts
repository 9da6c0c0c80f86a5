/** Where the three parts of a split virtqueue lie. Spec: virtio 1.2 sections 2.7 and 2.7.2 (legacy). */
import {
  VIRTQ_AVAIL_RING_OFF,
  VIRTQ_DESC_BYTES,
  VIRTQ_USED_ELEM_BYTES,
  VIRTQ_USED_RING_OFF,
} from '../../abi/virtio-ring.js';

/** Driver-visible addresses (gpa, bytes) of the parts. */
export interface RingLayout {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

/** Bytes of a descriptor table. */
export function descTableBytes(size: number): number {
  return VIRTQ_DESC_BYTES * size;
}

/** Bytes of an available ring, with `used_event`. */
export function availRingBytes(size: number): number {
  return VIRTQ_AVAIL_RING_OFF + 2 * size + 2;
}

/** Bytes of a used ring, with `avail_event`. */
export function usedRingBytes(size: number): number {
  return VIRTQ_USED_RING_OFF + VIRTQ_USED_ELEM_BYTES * size + 2;
}

/**
 * The contiguous legacy layout: descriptor table and available ring at `base`, used ring at the next multiple of `align`.
 * @param base gpa
 * @param size queue size, a power of two
 * @param align bytes, a power of two >= 4 (4096 in every known driver)
 */
export function legacyRingLayout(base: number, size: number, align: number): RingLayout {
  const avail = base + descTableBytes(size);
  const end = avail + availRingBytes(size);
  return { desc: base, avail, used: Math.ceil(end / align) * align };
}

/** Bytes from `base` to the end of the used ring of {@link legacyRingLayout}. */
export function legacyRingBytes(size: number, align: number): number {
  return legacyRingLayout(0, size, align).used + usedRingBytes(size);
}
