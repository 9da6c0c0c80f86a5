/**
 * The register file of a block, declared once: for `lkvm inspect`, for the table in docs/hvl.md, and for tests that check
 * both. Access is the driver's: "r" it only reads, "w" it only writes, "rw" both sides write.
 */
import {
  HVL_BLOCK_BYTES,
  HVLS_ATTACH_OFF,
  HVLS_BUF_LEN_OFF,
  HVLS_BUF_OFF_OFF,
  HVLS_EPOCH_OFF,
  HVLS_FEATURES_HIGH_OFF,
  HVLS_FEATURES_LOW_OFF,
  HVLS_FLAGS_OFF,
  HVLS_MAGIC_OFF,
  HVLS_NQUEUES_OFF,
  HVLS_VERSION_OFF,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_GUEST_FEATURES,
  VIRTIO_MMIO_GUEST_FEATURES_SEL,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_HOST_FEATURES,
  VIRTIO_MMIO_HOST_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
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
} from '../../../abi/hvl.js';

/** One register. */
export interface HvlRegister {
  /** From the block's start. */
  readonly offset: number;
  readonly bytes: 2 | 4;
  readonly access: 'r' | 'w' | 'rw';
  readonly name: string;
  /** One line for a reader of the documentation. */
  readonly about: string;
}

const word = (offset: number, access: HvlRegister['access'], name: string, about: string): HvlRegister => ({
  offset,
  bytes: 4,
  access,
  name,
  about,
});

/** Registers that have a meaning in this protocol, in order of offset. All others read 0. */
export const HVL_REGISTERS: readonly HvlRegister[] = [
  word(VIRTIO_MMIO_MAGIC_VALUE, 'r', 'MAGIC', '"virt"; written last'),
  word(VIRTIO_MMIO_VERSION, 'r', 'VERSION', '1'),
  word(VIRTIO_MMIO_DEVICE_ID, 'r', 'DEVICE_ID', 'virtio device id'),
  word(VIRTIO_MMIO_VENDOR_ID, 'r', 'VENDOR_ID', '"LKVM"'),
  word(VIRTIO_MMIO_HOST_FEATURES, 'r', 'HOST_FEATURES', 'offered features, bits 0 to 31'),
  word(VIRTIO_MMIO_HOST_FEATURES_SEL, 'w', 'HOST_FEATURES_SEL', 'ignored'),
  word(VIRTIO_MMIO_GUEST_FEATURES, 'w', 'GUEST_FEATURES', 'accepted features, bits 0 to 31'),
  word(VIRTIO_MMIO_GUEST_FEATURES_SEL, 'w', 'GUEST_FEATURES_SEL', 'ignored'),
  word(VIRTIO_MMIO_GUEST_PAGE_SIZE, 'rw', 'GUEST_PAGE_SIZE', 'unit of QUEUE_PFN; 0 = watched for a restart'),
  word(VIRTIO_MMIO_QUEUE_SEL, 'rw', 'QUEUE_SEL', 'queue that is set up; 0x00ff00ff = none'),
  word(VIRTIO_MMIO_QUEUE_NUM_MAX, 'r', 'QUEUE_NUM_MAX', 'largest ring size, for all queues'),
  word(VIRTIO_MMIO_QUEUE_NUM, 'rw', 'QUEUE_NUM', 'ring size; 0x00ff00ff = not written'),
  word(VIRTIO_MMIO_QUEUE_ALIGN, 'w', 'QUEUE_ALIGN', 'alignment of the used ring'),
  word(
    VIRTIO_MMIO_QUEUE_PFN,
    'rw',
    'QUEUE_PFN',
    'ring address / page size: the request; 0xaabbaabb: the ACK',
  ),
  word(VIRTIO_MMIO_QUEUE_NOTIFY, 'w', 'QUEUE_NOTIFY', 'queue kicked last; a hint only'),
  word(VIRTIO_MMIO_INTERRUPT_STATUS, 'r', 'INTERRUPT_STATUS', 'bit 0: used buffers, bit 1: config change'),
  word(VIRTIO_MMIO_INTERRUPT_ACK, 'rw', 'INTERRUPT_ACK', 'bits served by the driver; zeroed when taken'),
  word(VIRTIO_MMIO_STATUS, 'rw', 'STATUS', 'device status'),
  word(VIRTIO_MMIO_SHM_SEL, 'w', 'SHM_SEL', 'ignored'),
  word(VIRTIO_MMIO_SHM_LEN_LOW, 'r', 'SHM_LEN_LOW', 'length of the published region'),
  word(VIRTIO_MMIO_SHM_LEN_HIGH, 'r', 'SHM_LEN_HIGH', ''),
  word(VIRTIO_MMIO_SHM_BASE_LOW, 'r', 'SHM_BASE_LOW', 'address of the published region'),
  word(VIRTIO_MMIO_SHM_BASE_HIGH, 'r', 'SHM_BASE_HIGH', ''),
  word(VIRTIO_MMIO_CONFIG_GENERATION, 'r', 'CONFIG_GENERATION', 'always 0'),
];

/** Fields of the static descriptor, in order of offset; queue descriptors follow at 0x1c0. */
export const HVLS_REGISTERS: readonly HvlRegister[] = [
  word(HVLS_MAGIC_OFF, 'r', 'STATIC_MAGIC', '"HVLS"; written last'),
  { offset: HVLS_VERSION_OFF, bytes: 2, access: 'r', name: 'STATIC_VERSION', about: '1' },
  {
    offset: HVLS_NQUEUES_OFF,
    bytes: 2,
    access: 'r',
    name: 'STATIC_QUEUES',
    about: 'number of queues, at most 3',
  },
  word(HVLS_FEATURES_LOW_OFF, 'r', 'STATIC_FEATURES_LOW', 'the feature set: all of it or no attach'),
  word(HVLS_FEATURES_HIGH_OFF, 'r', 'STATIC_FEATURES_HIGH', ''),
  word(HVLS_EPOCH_OFF, 'r', 'STATIC_EPOCH', 'different at each start of the PMM'),
  word(HVLS_FLAGS_OFF, 'r', 'STATIC_FLAGS', 'bit 0: FRESH'),
  word(HVLS_ATTACH_OFF, 'w', 'STATIC_ATTACH', 'epoch: attached; 0: detached; other: make fresh'),
  word(HVLS_BUF_OFF_OFF, 'r', 'STATIC_ARENA', 'buffer arena, offset from SHM_BASE'),
  word(HVLS_BUF_LEN_OFF, 'r', 'STATIC_ARENA_LEN', 'its length'),
];

/** A register's value in a copy of a block. @param block at least 0x200 bytes. */
export function registerValue(block: DataView, register: HvlRegister): number {
  if (register.offset + register.bytes > HVL_BLOCK_BYTES) return 0;
  return register.bytes === 2
    ? block.getUint16(register.offset, true)
    : block.getUint32(register.offset, true);
}
