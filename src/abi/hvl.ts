import {
  VIRTIO_ID_9P,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_ENTROPY,
  VIRTIO_ID_NET,
  VIRTIO_ID_VSOCK,
} from './virtio.js';
import { VIRTIO_MMIO_CONFIG } from './virtio-mmio.js';

// Hypervisorless virtio: the register block of one device, 0x200 bytes of shared memory laid out like the legacy
// (version 1) virtio-mmio register file.
export {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_GUEST_FEATURES,
  VIRTIO_MMIO_GUEST_FEATURES_SEL,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_HOST_FEATURES,
  VIRTIO_MMIO_HOST_FEATURES_SEL,
  VIRTIO_MMIO_INT_CONFIG,
  VIRTIO_MMIO_INT_VRING,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_ALIGN,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
} from './virtio-mmio.js';

// Hypervisorless conventions on top of it.
export const HVL_VERSION = 1;
/** "LKVM", little-endian. */
export const HVL_VENDOR_ID = 0x4d564b4c;
/** Bytes of a register block, and the distance of two blocks without a device tree. */
export const HVL_BLOCK_BYTES = 0x200;
/** The PMM's answer in QUEUE_PFN. */
export const HVL_QUEUE_ACK = 0xaabbaabb;
/** What QUEUE_SEL and QUEUE_NUM hold when nobody asks for anything. */
export const HVL_SENTINEL = 0x00ff00ff;
/** What the original device side keeps as shadow of an idle register; never a valid request either. */
export const HVL_SHADOW_SENTINEL = 0xff00ff00;
export const HVL_PAGE_BYTES = 0x1000;
/** The only other page sizes taken from GUEST_PAGE_SIZE; anything else there means HVL_PAGE_BYTES. */
export const HVL_PAGE_BYTES_MIN = 0x100;
export const HVL_PAGE_BYTES_MAX = 0x10000;
export const HVL_QUEUE_ALIGN = 0x1000;
/** QUEUE_PFN has 32 bits: a ring starts below this address. */
export const HVL_ADDRESS_LIMIT = 0x1000_0000_0000;
/** With a device tree: room for it at the pool's start; the first region follows. */
export const HVL_FDT_BYTES = 0x10000;
/** Without a device tree: the page of register blocks, and how many fit. */
export const HVL_BLOCK_PAGE_BYTES = 0x1000;
export const HVL_MAX_BLOCKS = 8;

// Static mode (an extension of this project): a descriptor behind the config space, offsets from the block.
export const HVLS_MAGIC_OFF = 0x180;
export const HVLS_VERSION_OFF = 0x184;
export const HVLS_NQUEUES_OFF = 0x186;
export const HVLS_FEATURES_LOW_OFF = 0x188;
export const HVLS_FEATURES_HIGH_OFF = 0x18c;
export const HVLS_EPOCH_OFF = 0x190;
export const HVLS_FLAGS_OFF = 0x194;
export const HVLS_ATTACH_OFF = 0x198;
export const HVLS_BUF_OFF_OFF = 0x19c;
export const HVLS_BUF_LEN_OFF = 0x1a0;
export const HVLS_QUEUE_OFF = 0x1c0;
export const HVLS_QUEUE_BYTES = 16;
export const HVLS_QUEUE_RING_OFF = 0;
export const HVLS_QUEUE_NUM_OFF = 4;
export const HVLS_QUEUE_ALIGN_OFF = 8;
export const HVLS_QUEUE_FLAGS_OFF = 12;
/** Flag of an entry of the table of rings without the descriptor's magic: a note for observers, not for drivers. */
export const HVLS_QUEUE_F_NOTE = 1;
/** "HVLS", little-endian. */
export const HVLS_MAGIC = 0x534c5648;
export const HVLS_VERSION = 1;
export const HVLS_MAX_QUEUES = 3;
/** Rings zeroed, nobody attached. */
export const HVLS_F_FRESH = 1;
/** Interrupts need no INTERRUPT_STATUS / INTERRUPT_ACK traffic. */
export const HVLS_F_EDGE = 2;
/** STATUS while a driver is attached: ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK. */
export const HVLS_STATUS = 0x0f;
/** Config space ends where the static descriptor may start. */
export const HVL_CONFIG_MAX_BYTES = HVLS_MAGIC_OFF - VIRTIO_MMIO_CONFIG;

/** What the protocol fixes for one type of device. */
export interface HvlDeviceType {
  /** Key of `--region`, `--queue-size`, `--features`, `--static`. */
  readonly name: string;
  readonly deviceId: number;
  /** Default size of the device region in bytes. */
  readonly regionBytes: number;
  /** Default largest size of each queue, by index. */
  readonly queueMaxSizes: readonly number[];
}

/**
 * The device types in slot order. Several 9p shares: the one given last has the first slot. Several NICs: in the order
 * given.
 */
export const HVL_DEVICE_TYPES: readonly HvlDeviceType[] = [
  { name: 'p9', deviceId: VIRTIO_ID_9P, regionBytes: 0x6000, queueMaxSizes: [128] },
  { name: 'vsock', deviceId: VIRTIO_ID_VSOCK, regionBytes: 0x10000, queueMaxSizes: [256, 256, 256] },
  { name: 'rng', deviceId: VIRTIO_ID_ENTROPY, regionBytes: 0x6000, queueMaxSizes: [128] },
  { name: 'net', deviceId: VIRTIO_ID_NET, regionBytes: 0x80000, queueMaxSizes: [256, 256] },
  { name: 'console', deviceId: VIRTIO_ID_CONSOLE, regionBytes: 0x6000, queueMaxSizes: [128, 128] },
];
