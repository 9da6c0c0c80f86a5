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
import { HVL_DOORBELL_BYTES, WaitingDoorbell } from './hvl-doorbell.js';
import type { MachineParts } from './machine-parts.js';
import { ThreadParts } from './thread-parts.js';

/** What a guest makes the PCI bus say is of no use to anybody, and a guest could say it without end. */
const SILENT: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };

/** One vCPU's view of the machine. */
export class MachinePort implements VcpuPort, MachineEnd {
  outcome = VCPU_GO_ON;
  outcomeValue = 0;
  readonly #pio = new Bus('pio');
  readonly #mmio = new Bus('mmio');
  readonly #debug: MachineParts['debug'];
  readonly #log: (text: string) => void;
  /** `misses` of the buses when last looked at. */
  #pioMisses = 0;
  #mmioMisses = 0;

  /** @param calls this vCPU's way to the reactor */
  constructor(parts: MachineParts, calls: DeviceCalls, log: (text: string) => void) {
    const thread = new ThreadParts(parts);
    const pci = thread.pciSpace(calls, SILENT);
    this.#debug = parts.debug;
    this.#log = log;
    addPlatform(this.#pio, parts.platform, thread.platformPorts(this, pci));
    this.#mmio.add(PCI_MEMORY, PCI_MEMORY_BYTES, new PciWindow(pci, PCI_MEMORY));
    this.#mmio.add(PCI_ECAM, PCI_ECAM_BYTES, new PciEcam(pci));
    for (const part of parts.bus.devices) {
      if (part.transport !== 'mmio') continue;
      const registers = new DeviceRegisters(part.registers, { device: part.device, calls });
      this.#mmio.add(part.gpa, VIRTIO_MMIO_STRIDE, new MmioRegisters(registers));
    }
    for (const address of parts.hvl?.trapped ?? []) {
      this.#mmio.add(address, HVL_DOORBELL_BYTES, new WaitingDoorbell(calls));
    }
  }

  pioWrite(port: number, bytes: number, value: number): void {
    if (!this.#pio.write(port, bytes, value)) this.#missedPio('out', port, bytes);
  }

  pioRead(port: number, bytes: number): number {
    const value = this.#pio.read(port, bytes);
    if (this.#pio.misses !== this.#pioMisses) this.#missedPio('in', port, bytes);
    return value;
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    if (!this.#mmio.write(gpa, bytes, value)) this.#missedMmio('write', gpa, bytes);
  }

  mmioRead(gpa: number, bytes: number): number {
    const value = this.#mmio.read(gpa, bytes);
    if (this.#mmio.misses !== this.#mmioMisses) this.#missedMmio('read', gpa, bytes);
    return value;
  }

  close(): void {}

  powerOff(): void {
    this.outcome = VCPU_POWERED_OFF;
  }

  reset(): void {
    this.outcome = VCPU_RESET;
  }

  /** Nobody has this port. With --debug-ioport that is said; the guest goes on in any case. */
  #missedPio(what: string, port: number, bytes: number): void {
    this.#pioMisses = this.#pio.misses;
    if (this.#debug.ioport) this.#log(`unclaimed port: ${what} 0x${port.toString(16)}, ${bytes} bytes`);
  }

  #missedMmio(what: string, gpa: number, bytes: number): void {
    this.#mmioMisses = this.#mmio.misses;
    if (this.#debug.mmio) this.#log(`unclaimed memory: ${what} 0x${gpa.toString(16)}, ${bytes} bytes`);
  }

  debugExit(code: number): void {
    this.outcome = VCPU_DEBUG_EXIT;
    this.outcomeValue = code;
  }
}
