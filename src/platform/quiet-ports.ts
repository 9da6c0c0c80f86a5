/** Ports that a PC's software touches and that need do nothing here. */
import { SYSTEM_B_REFRESH, SYSTEM_B_TIMER2, SYSTEM_B_WRITABLE } from '../abi/pc.js';
import { ALL_ONES, type BusDevice } from '../bus/bus.js';

/** Nothing is there, and that is no news: writes are dropped, reads give all ones. */
export class QuietPorts implements BusDevice {
  read(): number {
    return ALL_ONES;
  }

  write(): void {}
}

/**
 * System control port B (0x61), for machines whose in-kernel timer does not answer it. The refresh bit changes with each
 * read, and timer 2 has always run out, so that whoever waits for either goes on. Thread: one vCPU; vCPUs do not share it.
 */
export class SystemControlB implements BusDevice {
  #value = 0;

  read(): number {
    this.#value ^= SYSTEM_B_REFRESH;
    return this.#value | SYSTEM_B_TIMER2;
  }

  write(_offset: number, _bytes: number, value: number): void {
    this.#value = (this.#value & SYSTEM_B_REFRESH) | (value & SYSTEM_B_WRITABLE);
  }
}
