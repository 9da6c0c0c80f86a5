/**
 * A machine's virtio devices as its threads share them: registers, eventfds, and where the transport puts them. Made by
 * main; everything here is plain data. The devices themselves are made by the reactor.
 */
import {
  VIRTIO_ID_9P,
  VIRTIO_ID_BLOCK,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_ENTROPY,
  VIRTIO_ID_NET,
} from '../abi/virtio.js';
import {
  PCI_MEMORY,
  PCI_MEMORY_BYTES,
  pciIntxGsi,
  VIRTIO_MMIO_BASE,
  VIRTIO_MMIO_GSIS,
  VIRTIO_MMIO_STRIDE,
} from '../arch/x86_64/memory-map.js';
import { createPci } from '../bus/pci/create.js';
import type { PciFunctionSpec } from '../bus/pci/function.js';
import { HOST_BRIDGE } from '../bus/pci/host-bridge.js';
import { PCI_SLOTS } from '../bus/pci/words.js';
import { createMsiRoutes } from '../kvm/msi-routes.js';
import { ConfigError } from '../util/errors.js';
import { vectorCount, virtioPciFunction } from '../virtio/transport/pci/layout.js';
import { createVirtioPci, type VirtioPciShared } from '../virtio/transport/pci/words.js';
import { createDeviceRegisters } from '../virtio/transport/trapped/registers.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';
import type { VmDeviceSpec } from './config.js';
import { createKickWindow } from './kick-window.js';

interface AnyDeviceParts {
  /** The device's number in the machine: its index. */
  readonly device: number;
  /** From `createDeviceRegisters`. */
  readonly registers: SharedArrayBuffer;
  /** By queue: the eventfd of its kicks. */
  readonly kickFds: readonly number[];
  /** From `createKickWindow`. */
  readonly kickWindow: SharedArrayBuffer;
}

/** Behind PCI. */
export interface PciDeviceParts extends AnyDeviceParts {
  readonly transport: 'pci';
  readonly slot: number;
  /** GSI of INTA#. */
  readonly gsi: number;
  readonly pci: VirtioPciShared;
  /** By MSI-X vector: the eventfd behind its irqfd. */
  readonly vectorFds: readonly number[];
}

/** Behind virtio-mmio. */
export interface MmioDeviceParts extends AnyDeviceParts {
  readonly transport: 'mmio';
  /** Start of its registers. */
  readonly gpa: number;
  readonly gsi: number;
}

export type DeviceParts = PciDeviceParts | MmioDeviceParts;

/** All devices, the PCI bus they are on, and the routes of its messages. */
export interface BusParts {
  /** From `createPci`. */
  readonly pci: SharedArrayBuffer;
  /** From `createMsiRoutes`. */
  readonly routes: SharedArrayBuffer;
  readonly devices: readonly DeviceParts[];
}

const DEVICE_IDS: Readonly<Record<DeviceSpec['name'], number>> = {
  net: VIRTIO_ID_NET,
  blk: VIRTIO_ID_BLOCK,
  console: VIRTIO_ID_CONSOLE,
  rng: VIRTIO_ID_ENTROPY,
  p9: VIRTIO_ID_9P,
};

/** The first slot of a device: slot 0 is the host bridge. */
const FIRST_SLOT = 1;

/**
 * Makes what the devices share. Thread: main.
 * @param newEventfd makes an eventfd that the caller closes at the end Errors: ConfigError (too many devices), SysError.
 */
export function createBus(specs: readonly VmDeviceSpec[], newEventfd: () => number): BusParts {
  const onPci = specs.filter(({ transport }) => transport === 'pci').map(({ spec }) => spec);
  checkCounts(onPci.length, specs.length - onPci.length);
  const functions: (PciFunctionSpec | undefined)[] = onPci.map((spec, i) =>
    virtioPciFunction({
      deviceId: DEVICE_IDS[spec.name],
      queues: spec.queueSizes.length,
      interruptLine: pciIntxGsi(FIRST_SLOT + i),
    }),
  );
  const pci = createPci({
    functions: [HOST_BRIDGE, ...functions],
    window: { start: PCI_MEMORY, bytes: PCI_MEMORY_BYTES },
  });
  const routes = createMsiRoutes([0, ...onPci.map((spec) => vectorCount(spec.queueSizes.length))]);
  let slot = FIRST_SLOT;
  let block = 0;
  const devices = specs.map(({ transport, spec }, device): DeviceParts => {
    const kickFds = spec.queueSizes.map(newEventfd);
    const shared = { device, kickFds, kickWindow: createKickWindow() };
    if (transport === 'mmio') return { ...shared, ...mmioParts(block++) };
    return { ...shared, ...pciParts(pci, slot++, spec, newEventfd) };
  });
  return { pci, routes, devices };
}

function checkCounts(pci: number, mmio: number): void {
  const slots = PCI_SLOTS - FIRST_SLOT;
  if (pci > slots) throw new ConfigError(`${pci} PCI devices: there are ${slots} slots; leave some out`);
  if (mmio > VIRTIO_MMIO_GSIS.length) {
    const most = VIRTIO_MMIO_GSIS.length;
    throw new ConfigError(
      `${mmio} virtio-mmio devices: there are interrupts for ${most}; use --transport pci`,
    );
  }
}

type Own<T extends DeviceParts> = Omit<T, 'device' | 'kickFds' | 'kickWindow'>;

function mmioParts(index: number): Own<MmioDeviceParts> {
  return {
    transport: 'mmio',
    registers: createDeviceRegisters(),
    gpa: VIRTIO_MMIO_BASE + index * VIRTIO_MMIO_STRIDE,
    gsi: VIRTIO_MMIO_GSIS[index] ?? 0,
  };
}

function pciParts(
  bus: SharedArrayBuffer,
  slot: number,
  { queueSizes }: DeviceSpec,
  newEventfd: () => number,
): Own<PciDeviceParts> {
  const vectors = vectorCount(queueSizes.length);
  const pci = createVirtioPci(bus, slot, vectors);
  const vectorFds = Array.from({ length: vectors }, newEventfd);
  return { transport: 'pci', registers: pci.registers, slot, gsi: pciIntxGsi(slot), pci, vectorFds };
}
