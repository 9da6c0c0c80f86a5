/**
 * What a pool holds when the PMM declares itself ready. A driver that finds a wrong MAGIC gives up for good, and one that
 * finds the right one believes the rest: so MAGIC is the last word of a block, and the device tree's magic the last of
 * all. The pool is zero before; only words that are not zero are written.
 *
 * Spec: docs/hvl.md, registers, column "at start". Thread: before the reactor starts.
 */
import {
  HVL_FDT_BYTES,
  HVL_PAGE_BYTES,
  HVL_QUEUE_ALIGN,
  HVL_SENTINEL,
  HVL_VENDOR_ID,
  HVL_VERSION,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_HOST_FEATURES,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_ALIGN,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
} from '../../../abi/hvl.js';
import { copyToDevice } from '../../../memory/copy.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { ConfigError, invariant } from '../../../util/errors.js';
import { u8At } from '../../../util/typed.js';
import type { RegisterBlock } from './block.js';
import { queueNumMax } from './hvl-device.js';
import type { HvlLayout, HvlSlot } from './layout.js';

const TWO_32 = 0x1_0000_0000;
const WORD = 4;

/** Writes everything of a block except MAGIC. @param features low 32 bits of the offered features */
export function publishBlock(
  block: RegisterBlock,
  slot: HvlSlot,
  config: Uint8Array,
  features: number,
): void {
  const { request, shmBase, shmBytes } = slot;
  block.store(VIRTIO_MMIO_VERSION, HVL_VERSION);
  block.store(VIRTIO_MMIO_DEVICE_ID, request.deviceId);
  block.store(VIRTIO_MMIO_VENDOR_ID, HVL_VENDOR_ID);
  block.store(VIRTIO_MMIO_HOST_FEATURES, features);
  block.store(VIRTIO_MMIO_GUEST_PAGE_SIZE, HVL_PAGE_BYTES);
  block.store(VIRTIO_MMIO_QUEUE_SEL, HVL_SENTINEL);
  block.store(VIRTIO_MMIO_QUEUE_NUM_MAX, queueNumMax(request.queueMaxSizes));
  block.store(VIRTIO_MMIO_QUEUE_NUM, HVL_SENTINEL);
  block.store(VIRTIO_MMIO_QUEUE_ALIGN, HVL_QUEUE_ALIGN);
  block.store(VIRTIO_MMIO_SHM_LEN_LOW, shmBytes % TWO_32);
  block.store(VIRTIO_MMIO_SHM_LEN_HIGH, Math.floor(shmBytes / TWO_32));
  block.store(VIRTIO_MMIO_SHM_BASE_LOW, shmBase % TWO_32);
  block.store(VIRTIO_MMIO_SHM_BASE_HIGH, Math.floor(shmBase / TWO_32));
  block.writeConfig(config);
}

/** Makes a block valid. */
export function publishMagic(block: RegisterBlock): void {
  block.store(VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_MAGIC);
}

/** Writes the device tree except its first word. Errors: ConfigError if it does not fit before the first region */
export function publishTree(pool: GuestMemory, layout: HvlLayout, fdt: Uint8Array): void {
  if (fdt.length > HVL_FDT_BYTES) {
    throw new ConfigError(`the device tree has ${fdt.length} bytes: at most ${HVL_FDT_BYTES} fit`);
  }
  invariant(pool.translate(layout.base, fdt.length), 'the layout lies inside the pool');
  copyToDevice(pool.chunk, pool.offset + WORD, fdt, WORD, fdt.length - WORD);
}

/** Makes the device tree valid. */
export function publishTreeMagic(pool: GuestMemory, layout: HvlLayout, fdt: Uint8Array): void {
  invariant(pool.translate(layout.base, fdt.length), 'the layout lies inside the pool');
  const magic = (u8At(fdt, 0) | (u8At(fdt, 1) << 8) | (u8At(fdt, 2) << 16) | (u8At(fdt, 3) << 24)) >>> 0;
  Atomics.store(pool.chunk.u32, pool.offset / WORD, magic);
}
