/**
 * A virtio device behind PCI: the registers in its BAR, and what its configuration space does beyond storing.
 *
 * Kicks do not come here: KVM turns writes to the notify registers into signals (`KickWindow`). Those that come
 * nevertheless, by the configuration space or in an instant when the BAR moves, become the same signal.
 *
 * Spec: virtio 1.2 section 4.1. Thread: any, one object per thread; accesses come from vCPUs. Nothing throws.
 */
import { PCI_COMMAND, PCI_MSIX_FLAGS } from '../../../abi/pci.js';
import { VIRTIO_PCI_CAP_BAR, VIRTIO_PCI_CAP_LENGTH, VIRTIO_PCI_CAP_OFFSET } from '../../../abi/virtio-pci.js';
import { ConfigWords } from '../../../bus/pci/config-words.js';
import type { PciFunction } from '../../../bus/pci/function.js';
import { laneMask, laneOf } from '../../../bus/pci/lanes.js';
import type { DeviceCalls, KickWindow } from '../trapped/ports.js';
import { DeviceRegisters } from '../trapped/registers.js';
import { MAX_CONFIG_BYTES } from '../trapped/words.js';
import { CommonConfig } from './common.js';
import { type PciInterruptPorts, PciInterrupts } from './interrupts.js';
import {
  ACCESS_CAPABILITY,
  ACCESS_DATA,
  CONFIG_OFFSET,
  ISR_OFFSET,
  MSIX_CAPABILITY,
  NOTIFY_OFFSET,
  NOTIFY_STRIDE,
  PENDING_OFFSET,
  TABLE_OFFSET,
  VIRTIO_BAR,
  VIRTIO_BAR_BYTES,
} from './layout.js';
import type { VirtioPciShared } from './words.js';

/** What a function needs around it. */
export interface VirtioPciPorts extends PciInterruptPorts {
  /** The device's number in the machine, for `calls`. */
  readonly device: number;
  readonly calls: DeviceCalls;
  readonly window: KickWindow;
  /** The same signal as a write to the notify register of this queue. @param queue 0 ... number of queues - 1 */
  kick(queue: number): void;
}

/** See the file's head. */
export class VirtioPciFunction implements PciFunction {
  readonly dataRegister = ACCESS_DATA;
  readonly #registers: DeviceRegisters;
  readonly #interrupts: PciInterrupts;
  readonly #common: CommonConfig;
  readonly #config: ConfigWords;
  readonly #ports: VirtioPciPorts;

  constructor(shared: VirtioPciShared, ports: VirtioPciPorts) {
    this.#ports = ports;
    this.#config = new ConfigWords(shared.pci, shared.slot);
    const interrupts = new PciInterrupts(shared, ports);
    this.#interrupts = interrupts;
    this.#registers = new DeviceRegisters(shared.registers, {
      device: ports.device,
      calls: ports.calls,
      onReset: () => interrupts.reset(),
    });
    this.#common = new CommonConfig(this.#registers, interrupts);
  }

  /** Reads 0 where there is no register. */
  read(_bar: number, offset: number, bytes: number): number {
    if (offset < ISR_OFFSET) return this.#common.read(offset, bytes);
    if (offset < CONFIG_OFFSET) return offset === ISR_OFFSET ? this.#interrupts.takeStatus() : 0;
    if (offset < NOTIFY_OFFSET) return this.#readConfig(offset - CONFIG_OFFSET, bytes);
    if (offset < TABLE_OFFSET) return 0;
    const lane = offset & 3;
    if (lane + bytes > 4) return 0;
    const dword =
      offset < PENDING_OFFSET
        ? this.#interrupts.readTable(offset - lane - TABLE_OFFSET)
        : this.#interrupts.readPending(offset - lane - PENDING_OFFSET);
    return laneOf(dword, lane, bytes);
  }

  #readConfig(offset: number, bytes: number): number {
    return offset < MAX_CONFIG_BYTES ? this.#registers.configRead(offset, bytes) : 0;
  }

  write(_bar: number, offset: number, bytes: number, value: number): void {
    if (offset < ISR_OFFSET) this.#common.write(offset, bytes, value);
    else if (offset >= NOTIFY_OFFSET && offset < TABLE_OFFSET) this.#kick(offset - NOTIFY_OFFSET);
    else if (offset >= TABLE_OFFSET && offset < PENDING_OFFSET) {
      // Drivers write whole dwords (or two at once, which come as two).
      if (bytes === 4 && (offset & 3) === 0) this.#interrupts.writeTable(offset - TABLE_OFFSET, value);
    }
  }

  /** As KVM does: the register's address says which queue; width and value do not matter. */
  #kick(offset: number): void {
    const queue = offset / NOTIFY_STRIDE;
    if (Number.isInteger(queue) && queue < this.#registers.queueCount()) this.#ports.kick(queue);
  }

  placed(_bar: number, gpa: number): void {
    this.#ports.window.move(gpa < 0 ? -1 : gpa + NOTIFY_OFFSET);
  }

  configWritten(register: number, value: number): void {
    if (register === PCI_COMMAND) this.#interrupts.setCommand(value);
    else if (register === MSIX_CAPABILITY) this.#interrupts.setMessageControl(value >>> (8 * PCI_MSIX_FLAGS));
  }

  // Access to the BAR by configuration space, for firmware that cannot reach it. Spec: section 4.1.4.9.

  readData(): number {
    const offset = this.#config.load(ACCESS_CAPABILITY + VIRTIO_PCI_CAP_OFFSET) >>> 0;
    const length = this.#config.load(ACCESS_CAPABILITY + VIRTIO_PCI_CAP_LENGTH) >>> 0;
    if (!this.#accessible(offset, length)) return this.#config.load(ACCESS_DATA);
    return this.read(VIRTIO_BAR, offset, length) & laneMask(0, length);
  }

  writeData(value: number): void {
    const offset = this.#config.load(ACCESS_CAPABILITY + VIRTIO_PCI_CAP_OFFSET) >>> 0;
    const length = this.#config.load(ACCESS_CAPABILITY + VIRTIO_PCI_CAP_LENGTH) >>> 0;
    if (this.#accessible(offset, length)) this.write(VIRTIO_BAR, offset, length, laneOf(value, 0, length));
  }

  #accessible(offset: number, length: number): boolean {
    const bar = this.#config.load(ACCESS_CAPABILITY + VIRTIO_PCI_CAP_BAR) & 0xff;
    if (bar !== VIRTIO_BAR || (length !== 1 && length !== 2 && length !== 4)) return false;
    return offset % length === 0 && offset + length <= VIRTIO_BAR_BYTES;
  }
}
