// Virtio devices behind PCI, without KVM: what the two halves do to lines, signals, routes and kicks is recorded.
import { PCI_BASE_ADDRESS_0, PCI_COMMAND, PCI_COMMAND_MEMORY } from '#lkvm/abi/pci.js';
import { VIRTIO_ID_ENTROPY } from '#lkvm/abi/virtio.js';
import { PciEcam, PciPorts } from '#lkvm/bus/pci/config-access.js';
import { createPci } from '#lkvm/bus/pci/create.js';
import { HOST_BRIDGE } from '#lkvm/bus/pci/host-bridge.js';
import { PciSpace } from '#lkvm/bus/pci/space.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { VirtioPciFunction } from '#lkvm/virtio/transport/pci/function.js';
import { NO_ROUTES, PciInterrupts } from '#lkvm/virtio/transport/pci/interrupts.js';
import { vectorCount, virtioPciFunction } from '#lkvm/virtio/transport/pci/layout.js';
import { createVirtioPci, type VirtioPciShared } from '#lkvm/virtio/transport/pci/words.js';
import { offeredFeatures, PublishedRegisters } from '#lkvm/virtio/transport/trapped/published.js';
import { byEcam, byPorts } from './pci-rig.js';

export const SLOT = 1;
export const GSI = 11;
export const BAR = 0xf000_0000;
export const WINDOW = { start: BAR, bytes: 0x0ec0_0000 };

/** What happened, in order: "line up", "signal 2", "route 0 0xfee00000 0x0 0x41", "kick 1", "window 0xf0001000", "call 1". */
export type Events = string[];

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** Everything a thread has over the same memory. */
function makeThread(shared: VirtioPciShared, events: Events) {
  const ports = {
    device: 0,
    calls: {
      call: (_device: number, what: number): number => {
        events.push(`call ${what}`);
        return 0;
      },
    },
    lines: {
      setLevel: (gsi: number, source: number, level: boolean): void => {
        events.push(`line ${gsi}.${source} ${level ? 'up' : 'down'}`);
      },
    },
    gsi: GSI,
    signals: Array.from({ length: 17 }, (_, i) => ({ raise: () => void events.push(`signal ${i}`) })),
    routes: {
      setMessage: (_slot: number, vector: number, low: number, high: number, data: number): void => {
        events.push(`route ${vector} ${hex(low)} ${hex(high)} ${hex(data)}`);
      },
    },
    window: {
      move: (gpa: number): void => void events.push(gpa < 0 ? 'window nowhere' : `window ${hex(gpa)}`),
    },
    kick: (queue: number): void => void events.push(`kick ${queue}`),
  };
  const space = new PciSpace(shared.pci, [undefined, new VirtioPciFunction(shared, ports)]);
  return { space, ports };
}

/** A device of two queues (64 and 8 entries) and five bytes of config space (1 ... 5) in slot 1; its BAR is not placed. */
export function makeVirtioPci(queues = 2) {
  const events: Events = [];
  const spec = virtioPciFunction({ deviceId: VIRTIO_ID_ENTROPY, queues, interruptLine: GSI });
  const pci = createPci({ functions: [HOST_BRIDGE, spec], window: WINDOW });
  const shared = createVirtioPci(pci, SLOT, vectorCount(queues));
  const published = new PublishedRegisters(shared.registers);
  const device = {
    deviceId: VIRTIO_ID_ENTROPY,
    queueMaxSizes: Array.from({ length: queues }, (_, i) => (i === 0 ? 64 : 8)),
    config: Uint8Array.of(1, 2, 3, 4, 5),
  };
  published.publish(device as never, offeredFeatures(featureSet(3), true));
  // Two vCPUs, one for each way to configuration space, and the reactor.
  const first = makeThread(shared, events);
  const second = makeThread(shared, events);
  const reactor = new PciInterrupts(shared, { ...first.ports, routes: NO_ROUTES });
  const config = byPorts(new PciPorts(pci, first.space));
  const ecam = byEcam(new PciEcam(second.space));
  return {
    shared,
    events,
    published,
    reactor,
    config,
    ecam,
    spaces: [first.space, second.space] as const,
    /** What has happened since it was asked last. */
    take: (): Events => events.splice(0),
    /** By offset in the BAR; unlike a guest's, the answer is what the function said. */
    read: (offset: number, bytes: number): number => first.space.readMemory(BAR + offset, bytes),
    write: (offset: number, bytes: number, value: number): void =>
      second.space.writeMemory(BAR + offset, bytes, value >>> 0),
    /** Places the BAR and forgets what happened. */
    place: (): void => {
      config.write(SLOT, PCI_BASE_ADDRESS_0, 4, BAR);
      config.write(SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
      events.splice(0);
    },
  };
}
