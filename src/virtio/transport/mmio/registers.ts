/**
 * virtio-mmio, version 2: 0x200 bytes of registers per device. Accesses that are not kicks come here; a kick is a 4-byte
 * write of a queue's index to QueueNotify, for which KVM signals an eventfd instead of leaving the guest.
 *
 * Registers are read and written in aligned 4 bytes, the config space in 1, 2 or 4 bytes anywhere. What is not like that
 * reads 0 and is not written. Spec: virtio 1.2 section 4.2. Thread: vCPU, one object per device and thread.
 */
import {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
  VIRTIO_MMIO_QUEUE_AVAIL_LOW,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
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
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
} from '../../../abi/virtio-mmio.js';
import type { BusDevice } from '../../../bus/bus.js';
import { type DeviceRegisters, PART_AVAIL, PART_DESC, PART_USED } from '../trapped/registers.js';

const VERSION = 2;
/** "LKVM", little-endian. */
const VENDOR_ID = 0x4d56_4b4c;
/** Length and base of a shared memory region that is not there. */
const NO_REGION = 0xffff_ffff;
const REGISTER_BYTES = 4;
const LOW = 0;
const HIGH = 1;

/** See the file's head. */
export class MmioRegisters implements BusDevice {
  readonly #registers: DeviceRegisters;

  constructor(registers: DeviceRegisters) {
    this.#registers = registers;
  }

  read(offset: number, bytes: number): number {
    if (offset >= VIRTIO_MMIO_CONFIG) return this.#registers.configRead(offset - VIRTIO_MMIO_CONFIG, bytes);
    return bytes === REGISTER_BYTES ? this.#read(offset) : 0;
  }

  write(offset: number, bytes: number, value: number): void {
    // The config space has no writable field.
    if (bytes === REGISTER_BYTES && offset < VIRTIO_MMIO_CONFIG) this.#write(offset, value);
  }

  #read(offset: number): number {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_MMIO_MAGIC_VALUE:
        return VIRTIO_MMIO_MAGIC;
      case VIRTIO_MMIO_VERSION:
        return VERSION;
      case VIRTIO_MMIO_DEVICE_ID:
        return registers.deviceId();
      case VIRTIO_MMIO_VENDOR_ID:
        return VENDOR_ID;
      case VIRTIO_MMIO_DEVICE_FEATURES:
        return registers.deviceFeatures(registers.deviceFeatureSelect());
      case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return registers.queueMaxSize();
      case VIRTIO_MMIO_QUEUE_READY:
        return registers.queueEnabled() ? 1 : 0;
      case VIRTIO_MMIO_INTERRUPT_STATUS:
        return registers.interrupts.load();
      case VIRTIO_MMIO_STATUS:
        return registers.status();
      case VIRTIO_MMIO_SHM_LEN_LOW:
      case VIRTIO_MMIO_SHM_LEN_HIGH:
      case VIRTIO_MMIO_SHM_BASE_LOW:
      case VIRTIO_MMIO_SHM_BASE_HIGH:
        return NO_REGION;
      case VIRTIO_MMIO_CONFIG_GENERATION:
        return registers.configGeneration();
      default: // QueueReset, too: a reset is over when the write ends
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        registers.setDeviceFeatureSelect(value);
        return;
      case VIRTIO_MMIO_DRIVER_FEATURES:
        registers.setDriverFeatures(registers.driverFeatureSelect(), value);
        return;
      case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        registers.setDriverFeatureSelect(value);
        return;
      case VIRTIO_MMIO_QUEUE_SEL:
        registers.setQueueSelect(value);
        return;
      case VIRTIO_MMIO_QUEUE_NUM:
        registers.setQueueSize(value);
        return;
      case VIRTIO_MMIO_QUEUE_READY:
        if ((value & 1) !== 0) registers.enableQueue();
        else registers.disableQueue();
        return;
      case VIRTIO_MMIO_INTERRUPT_ACK:
        registers.interrupts.acknowledge(value);
        return;
      case VIRTIO_MMIO_STATUS:
        registers.writeStatus(value);
        return;
      case VIRTIO_MMIO_QUEUE_RESET:
        if ((value & 1) !== 0) registers.resetQueue();
        return;
      default:
        this.#writeAddress(offset, value);
    }
  }

  #writeAddress(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_MMIO_QUEUE_DESC_LOW:
        registers.setQueueAddress(PART_DESC, LOW, value);
        return;
      case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        registers.setQueueAddress(PART_DESC, HIGH, value);
        return;
      case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        registers.setQueueAddress(PART_AVAIL, LOW, value);
        return;
      case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        registers.setQueueAddress(PART_AVAIL, HIGH, value);
        return;
      case VIRTIO_MMIO_QUEUE_USED_LOW:
        registers.setQueueAddress(PART_USED, LOW, value);
        return;
      case VIRTIO_MMIO_QUEUE_USED_HIGH:
        registers.setQueueAddress(PART_USED, HIGH, value);
        return;
    }
  }
}
