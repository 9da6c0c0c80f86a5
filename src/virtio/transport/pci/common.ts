/**
 * The common configuration structure: the device's registers as virtio-pci lays them out. Fields are read by any width
 * inside a dword and written by their own width (64-bit ones in two halves); other writes are ignored.
 * Spec: virtio 1.2 section 4.1.4.3. Thread: vCPU.
 */
import {
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_DFSELECT,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_GFSELECT,
  VIRTIO_PCI_COMMON_MSIX,
  VIRTIO_PCI_COMMON_Q_AVAILLO,
  VIRTIO_PCI_COMMON_Q_DESCLO,
  VIRTIO_PCI_COMMON_Q_ENABLE,
  VIRTIO_PCI_COMMON_Q_MSIX,
  VIRTIO_PCI_COMMON_Q_RESET,
  VIRTIO_PCI_COMMON_Q_SELECT,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_Q_USEDHI,
  VIRTIO_PCI_COMMON_Q_USEDLO,
  VIRTIO_PCI_COMMON_STATUS,
} from '../../../abi/virtio-pci.js';
import { laneOf } from '../../../bus/pci/lanes.js';
import { type DeviceRegisters, PART_AVAIL, PART_DESC, PART_USED } from '../trapped/registers.js';
import type { PciInterrupts } from './interrupts.js';

/** See the file's head. */
export class CommonConfig {
  readonly #registers: DeviceRegisters;
  readonly #interrupts: PciInterrupts;

  constructor(registers: DeviceRegisters, interrupts: PciInterrupts) {
    this.#registers = registers;
    this.#interrupts = interrupts;
  }

  /** @param offset in the structure, or behind it @param bytes 1, 2 or 4 @returns 0 where there is no register */
  read(offset: number, bytes: number): number {
    const lane = offset & 3;
    return lane + bytes > 4 ? 0 : laneOf(this.#dword(offset - lane), lane, bytes);
  }

  #dword(offset: number): number {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_PCI_COMMON_DFSELECT:
        return registers.deviceFeatureSelect();
      case VIRTIO_PCI_COMMON_DF:
        return registers.deviceFeatures(registers.deviceFeatureSelect());
      case VIRTIO_PCI_COMMON_GFSELECT:
        return registers.driverFeatureSelect();
      case VIRTIO_PCI_COMMON_GF:
        return registers.driverFeatures(registers.driverFeatureSelect());
      case VIRTIO_PCI_COMMON_MSIX:
        return this.#interrupts.configVector() | (registers.queueCount() << 16);
      case VIRTIO_PCI_COMMON_STATUS:
        return (
          registers.status() |
          ((registers.configGeneration() & 0xff) << 8) |
          ((registers.queueSelect() & 0xffff) << 16)
        );
      case VIRTIO_PCI_COMMON_Q_SIZE:
        return registers.queueSize() | (this.#queueVector() << 16);
      case VIRTIO_PCI_COMMON_Q_ENABLE:
        return (registers.queueEnabled() ? 1 : 0) | (this.#notifyOffset() << 16);
      default:
        return this.#address(offset);
    }
  }

  #address(offset: number): number {
    if (offset < VIRTIO_PCI_COMMON_Q_DESCLO || offset > VIRTIO_PCI_COMMON_Q_USEDHI) return 0;
    return this.#registers.queueAddress(partOf(offset), (offset >>> 2) & 1);
  }

  /** Index of the selected queue; -1 = there is no such queue. */
  #queue(): number {
    const select = this.#registers.queueSelect();
    return select < this.#registers.queueCount() ? select : -1;
  }

  #queueVector(): number {
    const queue = this.#queue();
    return queue < 0 ? VIRTIO_MSI_NO_VECTOR : this.#interrupts.queueVector(queue);
  }

  /** In units of the notify capability's multiplier. */
  #notifyOffset(): number {
    return Math.max(this.#queue(), 0);
  }

  /** As {@link read}. A write of the device status may wait for the reactor. */
  write(offset: number, bytes: number, value: number): void {
    if (bytes === 4) this.#writeDword(offset, value);
    else if (bytes === 2) this.#writeWord(offset, value);
    else if (offset === VIRTIO_PCI_COMMON_STATUS) this.#registers.writeStatus(value);
  }

  #writeDword(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_PCI_COMMON_DFSELECT:
        registers.setDeviceFeatureSelect(value);
        break;
      case VIRTIO_PCI_COMMON_GFSELECT:
        registers.setDriverFeatureSelect(value);
        break;
      case VIRTIO_PCI_COMMON_GF:
        registers.setDriverFeatures(registers.driverFeatureSelect(), value);
        break;
      default:
        if (offset < VIRTIO_PCI_COMMON_Q_DESCLO || offset > VIRTIO_PCI_COMMON_Q_USEDHI) return;
        if ((offset & 3) === 0) registers.setQueueAddress(partOf(offset), (offset >>> 2) & 1, value);
    }
  }

  #writeWord(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case VIRTIO_PCI_COMMON_MSIX:
        this.#interrupts.setConfigVector(value);
        break;
      case VIRTIO_PCI_COMMON_Q_SELECT:
        registers.setQueueSelect(value);
        break;
      case VIRTIO_PCI_COMMON_Q_SIZE:
        registers.setQueueSize(value);
        break;
      case VIRTIO_PCI_COMMON_Q_MSIX:
        if (this.#queue() >= 0) this.#interrupts.setQueueVector(this.#queue(), value);
        break;
      case VIRTIO_PCI_COMMON_Q_ENABLE:
        if (value === 1) registers.enableQueue();
        break;
      case VIRTIO_PCI_COMMON_Q_RESET:
        if (value === 1) this.#resetQueue();
        break;
      default:
    }
  }

  /** All of a queue's registers go back to what they were, its vector among them. Reset is over when this returns. */
  #resetQueue(): void {
    const queue = this.#queue();
    if (queue < 0 || !this.#registers.queueEnabled()) return;
    this.#registers.resetQueue();
    if (!this.#registers.queueEnabled()) this.#interrupts.setQueueVector(queue, VIRTIO_MSI_NO_VECTOR);
  }
}

/** @param offset of a queue address, a multiple of 4 */
function partOf(offset: number): number {
  if (offset >= VIRTIO_PCI_COMMON_Q_USEDLO) return PART_USED;
  return offset >= VIRTIO_PCI_COMMON_Q_AVAILLO ? PART_AVAIL : PART_DESC;
}
