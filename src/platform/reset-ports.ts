/** The ports through which a guest resets its machine, besides the keyboard controller. */
import { PCI_CONFIG_PORT, SYSTEM_A_A20, SYSTEM_A_RESET } from '../abi/pc.js';
import { ALL_ONES, type BusDevice } from '../bus/bus.js';
import type { MachineEnd } from './ports.js';

/** Bit of the reset control register whose rise resets the processor. */
const RESET_CPU = 0x04;
const KEPT = 0x0a;

/**
 * Ports 0xcf8 ... 0xcff: the reset control register (one byte at 0xcf9) lies inside of PCI's configuration address, which
 * takes four-byte accesses only. Everything but the one byte goes to PCI.
 *
 * Thread: vCPU; the register has no state that another vCPU could miss.
 */
export class ResetControl implements BusDevice {
  readonly #at: number;
  readonly #config: BusDevice | undefined;
  readonly #end: MachineEnd;
  /** SYS_RST and FULL_RST: what kind of reset it would be. */
  #value = 0;

  /** @param port of the register @param config device of all eight ports; undefined = nobody */
  constructor(port: number, config: BusDevice | undefined, end: MachineEnd) {
    this.#at = port - PCI_CONFIG_PORT;
    this.#config = config;
    this.#end = end;
  }

  read(offset: number, bytes: number): number {
    if (bytes === 1 && offset === this.#at) return this.#value;
    return this.#config === undefined ? ALL_ONES : this.#config.read(offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    if (bytes === 1 && offset === this.#at) {
      this.#value = value & KEPT;
      if ((value & RESET_CPU) !== 0) this.#end.reset();
    } else {
      this.#config?.write(offset, bytes, value);
    }
  }
}

/** System control port A (0x92): the fast A20 gate, always open, and a reset. Thread: vCPU. */
export class SystemControlA implements BusDevice {
  readonly #end: MachineEnd;

  constructor(end: MachineEnd) {
    this.#end = end;
  }

  read(): number {
    return SYSTEM_A_A20;
  }

  write(_offset: number, _bytes: number, value: number): void {
    if ((value & SYSTEM_A_RESET) !== 0) this.#end.reset();
  }
}
