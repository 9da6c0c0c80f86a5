/**
 * Address spaces of a guest: which device answers which port or address. Each vCPU's thread has its own bus over devices
 * whose state is in shared words, so a lookup takes no lock.
 *
 * Thread: any, one object per thread.
 */
import { InvariantError } from '../util/errors.js';

/**
 * A device with registers. Accesses come from a guest: any width, any value, nothing is an error and nothing throws.
 * Hot path: allocates nothing.
 */
export interface BusDevice {
  /**
   * @param offset from the start of the device's range, in bytes
   * @param bytes 1, 2 or 4; the whole access lies in the range
   * @returns the value; bits above `bytes` are ignored
   */
  read(offset: number, bytes: number): number;
  /** @param value unsigned, below 2^(8 x bytes) */
  write(offset: number, bytes: number, value: number): void;
}

/** What reads where nobody answers. */
export const ALL_ONES = 0xffff_ffff;

/** Sorted, disjoint ranges. */
export class Bus {
  /** Accesses that no device claimed. */
  misses = 0;
  readonly #name: string;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #devices: BusDevice[] = [];

  /** @param name for messages: "pio" or "mmio" */
  constructor(name: string) {
    this.#name = name;
  }

  /** Adds a device. @param bytes length of its range, > 0 Errors: InvariantError if ranges overlap. */
  add(start: number, bytes: number, device: BusDevice): void {
    const at = this.#indexAfter(start);
    const freeBelow = at === 0 || (this.#ends[at - 1] as number) <= start;
    const freeAbove = at === this.#starts.length || start + bytes <= (this.#starts[at] as number);
    if (bytes <= 0 || !freeBelow || !freeAbove) {
      throw new InvariantError(`${this.#name} range 0x${start.toString(16)}+${bytes} is empty or overlaps`);
    }
    this.#starts.splice(at, 0, start);
    this.#ends.splice(at, 0, start + bytes);
    this.#devices.splice(at, 0, device);
  }

  /** Hot path. @returns the device's value, or {@link ALL_ONES} if no device has the whole range */
  read(address: number, bytes: number): number {
    const at = this.#find(address, bytes);
    if (at < 0) return ALL_ONES;
    return (this.#devices[at] as BusDevice).read(address - (this.#starts[at] as number), bytes);
  }

  /** Hot path. @returns false if no device has the whole range */
  write(address: number, bytes: number, value: number): boolean {
    const at = this.#find(address, bytes);
    if (at < 0) return false;
    (this.#devices[at] as BusDevice).write(address - (this.#starts[at] as number), bytes, value);
    return true;
  }

  #find(address: number, bytes: number): number {
    const at = this.#indexAfter(address) - 1;
    if (at >= 0 && address + bytes <= (this.#ends[at] as number)) return at;
    this.misses++;
    return -1;
  }

  /** Index of the first range that starts above `address`. */
  #indexAfter(address: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
