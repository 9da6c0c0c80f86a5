/**
 * The register file of virtio-mmio version 2, declared once: for the table in docs/kvm-transports.md and for tests that
 * check both. Access is the driver's. Spec: virtio 1.2 section 4.2.2.
 */
import {
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
  VIRTIO_MMIO_QUEUE_AVAIL_LOW,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_RESET,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_QUEUE_USED_HIGH,
  VIRTIO_MMIO_QUEUE_USED_LOW,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
} from '../../../abi/virtio-mmio.js';

/** One 32-bit register. */
export interface MmioRegister {
  readonly offset: number;
  readonly access: 'r' | 'w' | 'rw';
  /** As the specification calls it. */
  readonly name: string;
  /** One line for a reader of the documentation. */
  readonly about: string;
}

const register = (
  offset: number,
  access: MmioRegister['access'],
  name: string,
  about: string,
): MmioRegister => ({ offset, access, name, about });

/** In order of offset. Everything else below `VIRTIO_MMIO_CONFIG` reads 0 and ignores writes. */
export const MMIO_REGISTERS: readonly MmioRegister[] = [
  register(VIRTIO_MMIO_MAGIC_VALUE, 'r', 'MagicValue', '"virt"'),
  register(VIRTIO_MMIO_VERSION, 'r', 'Version', '2'),
  register(VIRTIO_MMIO_DEVICE_ID, 'r', 'DeviceID', 'virtio device id'),
  register(VIRTIO_MMIO_VENDOR_ID, 'r', 'VendorID', '"LKVM"'),
  register(VIRTIO_MMIO_DEVICE_FEATURES, 'r', 'DeviceFeatures', 'offered features, the word selected'),
  register(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 'w', 'DeviceFeaturesSel', 'word of DeviceFeatures'),
  register(VIRTIO_MMIO_DRIVER_FEATURES, 'w', 'DriverFeatures', 'accepted features, the word selected'),
  register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 'w', 'DriverFeaturesSel', 'word of DriverFeatures'),
  register(VIRTIO_MMIO_QUEUE_SEL, 'w', 'QueueSel', 'queue that the Queue registers mean'),
  register(VIRTIO_MMIO_QUEUE_NUM_MAX, 'r', 'QueueNumMax', 'its largest size; 0: there is no such queue'),
  register(VIRTIO_MMIO_QUEUE_NUM, 'w', 'QueueNum', 'its size, a power of two'),
  register(VIRTIO_MMIO_QUEUE_READY, 'rw', 'QueueReady', '1: in use'),
  register(VIRTIO_MMIO_QUEUE_NOTIFY, 'w', 'QueueNotify', 'index of a queue with new buffers'),
  register(VIRTIO_MMIO_INTERRUPT_STATUS, 'r', 'InterruptStatus', 'bit 0: used buffers, bit 1: configuration'),
  register(VIRTIO_MMIO_INTERRUPT_ACK, 'w', 'InterruptACK', 'bits to clear there'),
  register(VIRTIO_MMIO_STATUS, 'rw', 'Status', 'device status; 0 resets'),
  register(VIRTIO_MMIO_QUEUE_DESC_LOW, 'w', 'QueueDescLow', 'address of the descriptor table'),
  register(VIRTIO_MMIO_QUEUE_DESC_HIGH, 'w', 'QueueDescHigh', ''),
  register(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 'w', 'QueueDriverLow', 'address of the available ring'),
  register(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 'w', 'QueueDriverHigh', ''),
  register(VIRTIO_MMIO_QUEUE_USED_LOW, 'w', 'QueueDeviceLow', 'address of the used ring'),
  register(VIRTIO_MMIO_QUEUE_USED_HIGH, 'w', 'QueueDeviceHigh', ''),
  register(VIRTIO_MMIO_SHM_SEL, 'w', 'SHMSel', 'ignored: no device has a shared memory region'),
  register(VIRTIO_MMIO_SHM_LEN_LOW, 'r', 'SHMLenLow', '0xffffffff'),
  register(VIRTIO_MMIO_SHM_LEN_HIGH, 'r', 'SHMLenHigh', '0xffffffff'),
  register(VIRTIO_MMIO_SHM_BASE_LOW, 'r', 'SHMBaseLow', '0xffffffff'),
  register(VIRTIO_MMIO_SHM_BASE_HIGH, 'r', 'SHMBaseHigh', '0xffffffff'),
  register(VIRTIO_MMIO_QUEUE_RESET, 'rw', 'QueueReset', '1 resets the queue; reads 0: it is done'),
  register(VIRTIO_MMIO_CONFIG_GENERATION, 'r', 'ConfigGeneration', 'counts changes of the config space'),
];
