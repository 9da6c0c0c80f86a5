/**
 * Where a vCPU's exits go: ports and memory with devices behind them, handled on this thread.
 *
 * Thread: vCPU.
 */
import {
  PCI_ECAM,
  PCI_ECAM_BYTES,
  PCI_MEMORY,
  PCI_MEMORY_BYTES,
  VIRTIO_MMIO_STRIDE,
} from '../arch/x86_64/memory-map.js';
import { Bus } from '../bus/bus.js';
import { PciEcam } from '../bus/pci/config-access.js';
import { PciWindow } from '../bus/pci/window.js';
import { addPlatform } from '../platform/platform.js';
import type { MachineEnd } from '../platform/ports.js';
import type { Log } from '../util/ports.js';
import { MmioRegisters } from '../virtio/transport/mmio/registers.js';
import type { DeviceCalls } from '../virtio/transport/trapped/ports.js';
import { DeviceRegisters } from '../virtio/transport/trapped/registers.js';
import type { VcpuPort } from '../workers/vcpu/access-port.js';
import { VCPU_DEBUG_EXIT, VCPU_GO_ON, VCPU_POWERED_OFF, VCPU_RESET } from '../workers/vcpu/outcome.js';
import type { MachineParts } from './machine-parts.js';
import { ThreadParts } from './thread-parts.js';

/** One vCPU's view of the machine. */
export class MachinePort implements VcpuPort, MachineEnd {
  outcome = VCPU_GO_ON;
  outcomeValue = 0;
  readonly #pio = new Bus('pio');
  readonly #mmio = new Bus('mmio');

  /** @param calls this vCPU's way to the reactor */
  constructor(parts: MachineParts, calls: DeviceCalls, log: Log) {
    const thread = new ThreadParts(parts);
    const pci = thread.pciSpace(calls, log);
    addPlatform(this.#pio, parts.platform, thread.platformPorts(this, pci));
    this.#mmio.add(PCI_MEMORY, PCI_MEMORY_BYTES, new PciWindow(pci, PCI_MEMORY));
    this.#mmio.add(PCI_ECAM, PCI_ECAM_BYTES, new PciEcam(pci));
    for (const part of parts.bus.devices) {
      if (part.transport !== 'mmio') continue;
      const registers = new DeviceRegisters(part.registers, { device: part.device, calls });
      this.#mmio.add(part.gpa, VIRTIO_MMIO_STRIDE, new MmioRegisters(registers));
    }
  }

  pioWrite(port: number, bytes: number, value: number): void {
    this.#pio.write(port, bytes, value);
  }

  pioRead(port: number, bytes: number): number {
    return this.#pio.read(port, bytes);
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    this.#mmio.write(gpa, bytes, value);
  }

  mmioRead(gpa: number, bytes: number): number {
    return this.#mmio.read(gpa, bytes);
  }

  powerOff(): void {
    this.outcome = VCPU_POWERED_OFF;
  }

  reset(): void {
    this.outcome = VCPU_RESET;
  }

  debugExit(code: number): void {
    this.outcome = VCPU_DEBUG_EXIT;
    this.outcomeValue = code;
  }
}
