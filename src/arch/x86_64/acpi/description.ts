/** What firmware tables say about a machine. Everything else is fixed, in `memory-map.ts`. */
import { invariant } from '../../../util/errors.js';

/** A virtio-mmio device. */
export interface MmioNode {
  /** Start of its registers, VIRTIO_MMIO_STRIDE bytes of them. */
  readonly gpa: number;
  /** Its interrupt, edge-triggered; 0 ... 23. */
  readonly gsi: number;
}

/** Plain data. */
export interface FirmwareDescription {
  /** 1 ... 255; processor n has APIC id n. */
  readonly cpus: number;
  /** In the order of their devices; at most 255. */
  readonly mmio: readonly MmioNode[];
  /** Slots on PCI bus 0 with a device that may use INTA#; 0 ... 31. */
  readonly pciSlots: readonly number[];
  /** PCI configuration space is also memory, at PCI_ECAM. */
  readonly ecam: boolean;
}

/** Errors: InvariantError if the tables cannot say that; the configuration has been checked before. */
export function checkDescription({ cpus, mmio, pciSlots }: FirmwareDescription): void {
  invariant(Number.isInteger(cpus) && cpus >= 1 && cpus <= 255, `${cpus} processors have 8-bit APIC ids`);
  invariant(mmio.length <= 0xff, `${mmio.length} virtio-mmio nodes have names`);
  invariant(
    mmio.every(({ gsi }) => gsi >= 0 && gsi < 24),
    'virtio-mmio devices have pins of the IOAPIC',
  );
  invariant(
    pciSlots.every((slot) => slot >= 0 && slot < 32),
    'PCI slots are 0 ... 31',
  );
}

/** Id of the IOAPIC: the first that no processor has. */
export function ioapicId(cpus: number): number {
  return cpus;
}
