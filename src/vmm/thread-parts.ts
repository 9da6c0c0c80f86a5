/** Objects that every thread of a machine makes for itself over the shared memory. Thread: any. */
import { VIRTIO_MMIO_QUEUE_NOTIFY } from '../abi/virtio-mmio.js';
import { PciPorts } from '../bus/pci/config-access.js';
import { PciSpace } from '../bus/pci/space.js';
import { SharedMsiRoutes } from '../kvm/msi-routes.js';
import { Vm } from '../kvm/vm.js';
import type { Clock, MachineEnd, PlatformPorts } from '../platform/ports.js';
import { SharedLines } from '../platform/shared-lines.js';
import { eventfdSignal } from '../sys/eventfd.js';
import { monotonicUs } from '../util/clock.js';
import type { Log } from '../util/ports.js';
import { VirtioPciFunction } from '../virtio/transport/pci/function.js';
import type { PciInterruptPorts } from '../virtio/transport/pci/interrupts.js';
import { NOTIFY_STRIDE } from '../virtio/transport/pci/layout.js';
import type { DeviceCalls, MsiRoutes, Signal } from '../virtio/transport/trapped/ports.js';
import type { DeviceParts, MmioDeviceParts, PciDeviceParts } from './device-parts.js';
import { IoEventWindow } from './kick-window.js';
import type { MachineParts } from './machine-parts.js';

/** Time, for the platform's devices. */
const CLOCK: Clock = { monotonicUs, wallMs: () => Date.now() };

/** The end of a machine as seen by a thread that runs no vCPU: nothing there can end it. */
export const NO_END: MachineEnd = {
  powerOff: () => undefined,
  reset: () => undefined,
  debugExit: () => undefined,
};

/** Calls of a thread that makes none: main, before the guest runs. */
export const NO_CALLS: DeviceCalls = { call: () => 0 };

/** An eventfd behind an irqfd. */
export class EventfdSignal implements Signal {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  raise(): void {
    eventfdSignal(this.#fd);
  }
}

/**
 * An edge on an interrupt pin. Two system calls, and no irqfd: KVM delivers an irqfd's message (MSI) at once, but a pin
 * from a kernel worker, which is one more switch between tasks for each interrupt.
 */
export class PinSignal implements Signal {
  readonly #vm: Vm;
  readonly #gsi: number;

  constructor(vm: Vm, gsi: number) {
    this.#vm = vm;
    this.#gsi = gsi;
  }

  raise(): void {
    this.#vm.irqLine(this.#gsi, 1);
    this.#vm.irqLine(this.#gsi, 0);
  }
}

/** KVM's VM and the interrupt lines, for one thread. */
export class ThreadParts {
  readonly vm: Vm;
  readonly lines: SharedLines;
  readonly #parts: MachineParts;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.vm = new Vm(parts.vm);
    this.lines = new SharedLines(parts.platform.lines, (gsi, level) => {
      this.vm.irqLine(gsi, level ? 1 : 0);
    });
  }

  /**
   * What the platform's devices need.
   * @param end what happens when the guest ends the machine @param pci its configuration ports, where there is a bus
   */
  platformPorts(end: MachineEnd, pci?: PciSpace): PlatformPorts {
    const { serialDoorbellFd, bus } = this.#parts;
    return {
      lines: this.lines,
      end,
      clock: CLOCK,
      doorbell: () => void eventfdSignal(serialDoorbellFd),
      configPorts: pci === undefined ? undefined : new PciPorts(bus.pci, pci),
    };
  }

  /** The PCI bus with this thread's objects for its functions. */
  pciSpace(calls: DeviceCalls, log: Log): PciSpace {
    const { bus } = this.#parts;
    const routes = new SharedMsiRoutes(bus.routes, this.vm);
    const functions: (VirtioPciFunction | undefined)[] = [];
    for (const device of bus.devices) {
      if (device.transport !== 'pci') continue;
      functions[device.slot] = new VirtioPciFunction(device.pci, {
        ...this.interruptPorts(device, routes),
        device: device.device,
        calls,
        window: this.kickWindow(device, log),
        kick: (queue) => void eventfdSignal(device.kickFds[queue] ?? -1),
      });
    }
    return new PciSpace(bus.pci, functions);
  }

  /** How a PCI device's interrupts reach the guest. */
  interruptPorts({ gsi, vectorFds }: PciDeviceParts, routes: MsiRoutes): PciInterruptPorts {
    return { lines: this.lines, gsi, signals: vectorFds.map((fd) => new EventfdSignal(fd)), routes };
  }

  /** The ioeventfds of a device's notify registers. */
  kickWindow(device: DeviceParts, log: Log): IoEventWindow {
    const style =
      device.transport === 'pci'
        ? ({ kind: 'per-queue', stride: NOTIFY_STRIDE } as const)
        : ({ kind: 'by-value' } as const);
    return new IoEventWindow(this.vm, device.kickFds, style, device.kickWindow, log);
  }
}

/** Address of a virtio-mmio device's notify register. */
export function notifyAddress({ gpa }: MmioDeviceParts): number {
  return gpa + VIRTIO_MMIO_QUEUE_NOTIFY;
}
