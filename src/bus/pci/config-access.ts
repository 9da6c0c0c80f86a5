/** The two ways to configuration space: ports 0xcf8 ... 0xcff (mechanism #1), and memory (ECAM). Thread: vCPU. */
import {
  PCI_CFG_SPACE_SIZE,
  PCI_CONFIG_ADDRESS_MASK,
  PCI_CONFIG_BUS_SHIFT,
  PCI_CONFIG_DATA_OFF,
  PCI_CONFIG_ENABLE,
  PCI_CONFIG_FUNCTION_SHIFT,
  PCI_CONFIG_PORTS,
  PCI_CONFIG_SLOT_SHIFT,
  PCI_ECAM_BUS_SHIFT,
  PCI_ECAM_FUNCTION_SHIFT,
  PCI_ECAM_REGISTER_MASK,
  PCI_ECAM_SLOT_SHIFT,
} from '../../abi/pci.js';
import { ALL_ONES, type BusDevice } from '../bus.js';
import type { PciSpace } from './space.js';
import { PCI_ADDRESS } from './words.js';

/** In an address register: enabled, bus 0, function 0. */
const SELECTS = PCI_CONFIG_ENABLE + (0xff << PCI_CONFIG_BUS_SHIFT) + (7 << PCI_CONFIG_FUNCTION_SHIFT);

/**
 * Mechanism #1. Its address register is one for all processors, as on a PC: operating systems hold a lock over address and
 * data. Only whole dwords reach it: other accesses to those ports are no business of PCI (0xcf9 resets a PC).
 */
export class PciPorts implements BusDevice {
  readonly #words: Int32Array;
  readonly #space: PciSpace;

  /** @param shared from `createPci` @param space over the same memory */
  constructor(shared: SharedArrayBuffer, space: PciSpace) {
    this.#words = new Int32Array(shared);
    this.#space = space;
  }

  read(offset: number, bytes: number): number {
    if (offset === 0 && bytes === 4) return Atomics.load(this.#words, PCI_ADDRESS) >>> 0;
    const address = this.#addressed(offset, bytes);
    if (address < 0) return ALL_ONES;
    return this.#space.read(address >>> PCI_CONFIG_SLOT_SHIFT, address & 0xff, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    if (offset === 0 && bytes === 4) {
      Atomics.store(this.#words, PCI_ADDRESS, value & PCI_CONFIG_ADDRESS_MASK);
      return;
    }
    const address = this.#addressed(offset, bytes);
    if (address < 0) return;
    this.#space.write(address >>> PCI_CONFIG_SLOT_SHIFT, address & 0xff, bytes, value);
  }

  /** @returns slot and register of an access to the data ports, as in the address register; -1 = none */
  #addressed(offset: number, bytes: number): number {
    if (offset < PCI_CONFIG_DATA_OFF || offset + bytes > PCI_CONFIG_PORTS) return -1;
    const address = Atomics.load(this.#words, PCI_ADDRESS);
    if ((address & SELECTS) >>> 0 !== PCI_CONFIG_ENABLE) return -1;
    return (address & 0xffff) + (offset - PCI_CONFIG_DATA_OFF);
  }
}

/** ECAM: 1 MiB per bus, 4 KiB per function, of which the first 256 bytes are there. Any number of buses may be mapped. */
export class PciEcam implements BusDevice {
  readonly #space: PciSpace;

  constructor(space: PciSpace) {
    this.#space = space;
  }

  read(offset: number, bytes: number): number {
    const slot = slotOf(offset);
    return slot < 0 ? ALL_ONES : this.#space.read(slot, offset & PCI_ECAM_REGISTER_MASK, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    const slot = slotOf(offset);
    if (slot >= 0) this.#space.write(slot, offset & PCI_ECAM_REGISTER_MASK, bytes, value);
  }
}

/** Slot of an ECAM access; -1 if nothing is there. */
function slotOf(offset: number): number {
  const first = offset >>> PCI_ECAM_BUS_SHIFT === 0 && ((offset >>> PCI_ECAM_FUNCTION_SHIFT) & 7) === 0;
  if (!first || (offset & PCI_ECAM_REGISTER_MASK) >= PCI_CFG_SPACE_SIZE) return -1;
  return offset >>> PCI_ECAM_SLOT_SHIFT;
}
