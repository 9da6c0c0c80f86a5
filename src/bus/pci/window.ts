/** The host bridge's memory window: every access that BARs may answer. Thread: vCPU. */
import type { BusDevice } from '../bus.js';
import type { PciSpace } from './space.js';

/** A range of the memory bus. */
export class PciWindow implements BusDevice {
  readonly #space: PciSpace;
  readonly #start: number;

  /** @param start gpa of the range that this object is on the bus for */
  constructor(space: PciSpace, start: number) {
    this.#space = space;
    this.#start = start;
  }

  read(offset: number, bytes: number): number {
    return this.#space.readMemory(this.#start + offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    this.#space.writeMemory(this.#start + offset, bytes, value);
  }
}
