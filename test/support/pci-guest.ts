// A vCPU with a PCI bus: mechanism #1, BARs, one virtio device in slot 1. All other accesses are recorded.
import { Bus } from '#lkvm/bus/bus.js';
import { PciPorts } from '#lkvm/bus/pci/config-access.js';
import { PciSpace } from '#lkvm/bus/pci/space.js';
import { PciWindow } from '#lkvm/bus/pci/window.js';
import { SharedMsiRoutes } from '#lkvm/kvm/msi-routes.js';
import { Vm, type VmRecord } from '#lkvm/kvm/vm.js';
import { eventfdSignal } from '#lkvm/sys/eventfd.js';
import { VirtioPciFunction } from '#lkvm/virtio/transport/pci/function.js';
import type { PciInterruptPorts } from '#lkvm/virtio/transport/pci/interrupts.js';
import { NOTIFY_STRIDE } from '#lkvm/virtio/transport/pci/layout.js';
import type { VirtioPciShared } from '#lkvm/virtio/transport/pci/words.js';
import { IoEventWindow } from '#lkvm/vmm/kick-window.js';
import type { VcpuPort } from '#lkvm/workers/vcpu/access-port.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandClient } from '#lkvm/workers/vcpu/command-client.js';
import { runVcpu } from '#lkvm/workers/vcpu/entry.js';
import { AccessWriter, IN, LOAD, OUT, STORE } from './access-record.js';

export const WINDOW = { start: 0xf000_0000, bytes: 0x0ec0_0000 };
export const GSI = 11;

/** Everything the threads share. */
export interface PciGuestData {
  readonly vm: VmRecord;
  readonly shared: VirtioPciShared;
  /** From `createMsiRoutes`. */
  readonly routes: SharedArrayBuffer;
  /** From `createKickWindow`. */
  readonly window: SharedArrayBuffer;
  /** Eventfds of the queues' kicks, and of the vectors. */
  readonly kicks: readonly number[];
  readonly vectors: readonly number[];
  readonly channel: CommandChannel;
  readonly record: SharedArrayBuffer;
}

/** Lines, signals and routes of a thread. */
export function interruptPorts(vm: Vm, { routes, vectors }: PciGuestData): PciInterruptPorts {
  return {
    lines: { setLevel: (gsi, _source, level) => void vm.irqLine(gsi, level ? 1 : 0) },
    gsi: GSI,
    signals: vectors.map((fd) => ({ raise: () => void eventfdSignal(fd) })),
    routes: new SharedMsiRoutes(routes, vm),
  };
}

export async function runPciGuest(): Promise<void> {
  await runVcpu<PciGuestData>(({ data, control }): VcpuPort => {
    const vm = new Vm(data.vm);
    const writer = new AccessWriter(data.record);
    const log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
    const virtio = new VirtioPciFunction(data.shared, {
      ...interruptPorts(vm, data),
      device: 0,
      calls: new CommandClient(data.channel, control),
      window: new IoEventWindow(
        vm,
        data.kicks,
        { kind: 'per-queue', stride: NOTIFY_STRIDE },
        data.window,
        log,
      ),
      kick: (queue) => {
        writer.add(STORE, 0xffff_ffff, 4, queue); // so that a test sees a kick that has not stayed in the kernel
        eventfdSignal(data.kicks[queue] as number);
      },
    });
    const space = new PciSpace(data.shared.pci, [undefined, virtio]);
    const pio = new Bus('pio');
    pio.add(0xcf8, 8, new PciPorts(data.shared.pci, space));
    const mmio = new Bus('mmio');
    mmio.add(WINDOW.start, WINDOW.bytes, new PciWindow(space, WINDOW.start));
    const miss = (kind: number, address: number, bytes: number): number => {
      writer.add(kind, address, bytes, 0);
      return 0;
    };
    return {
      outcome: 0,
      outcomeValue: 0,
      close: () => undefined,
      pioWrite: (port, bytes, value) =>
        void (pio.write(port, bytes, value) || writer.add(OUT, port, bytes, value)),
      pioRead: (port, bytes) => (port >= 0xcf8 ? pio.read(port, bytes) : miss(IN, port, bytes)),
      mmioWrite: (gpa, bytes, value) =>
        void (mmio.write(gpa, bytes, value) || writer.add(STORE, gpa, bytes, value)),
      mmioRead: (gpa, bytes) => (gpa >= WINDOW.start ? mmio.read(gpa, bytes) : miss(LOAD, gpa, bytes)),
    };
  });
}
