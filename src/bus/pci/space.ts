/**
 * A PCI bus: configuration space of its functions (function 0 of each slot of bus 0), and which BAR answers where.
 *
 * A BAR answers while the function's memory bit is on and the BAR lies wholly in the host bridge's window. Where BARs
 * overlap, the first one (lowest slot, then lowest BAR) answers, and the others nowhere. So at most one answers any
 * address, whatever a guest writes; and an address written only to learn a BAR's size usually moves nothing.
 *
 * Spec: PCI Local Bus 3.0 sections 6.1, 6.2.5. Thread: any, one object per thread over the same shared memory. Accesses
 * come from a guest: any value is possible, nothing throws. Reads take no lock and allocate nothing.
 */
import {
  PCI_BASE_ADDRESS_0,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_STD_HEADER_SIZEOF,
  PCI_STD_NUM_BARS,
} from '../../abi/pci.js';
import { invariant } from '../../util/errors.js';
import { SharedLock } from '../../util/shared-lock.js';
import { at, i32At, u32At } from '../../util/typed.js';
import { ALL_ONES } from '../bus.js';
import { INERT_FUNCTION, type PciFunction } from './function.js';
import { laneMask, laneOf } from './lanes.js';
import {
  maskWord,
  PCI_LOCK,
  PCI_SLOTS,
  PCI_WINDOW_END,
  PCI_WINDOW_START,
  placeWord,
  sizeWord,
  valueWord,
} from './words.js';

const BARS_END = PCI_BASE_ADDRESS_0 + 4 * PCI_STD_NUM_BARS;
/** Alignment of addresses given by {@link PciSpace.assignBars}: no two BARs share a page. */
const ASSIGN_ALIGN = 0x1000;

/** One BAR of the bus: it never goes away, it only moves. */
interface Bar {
  readonly slot: number;
  readonly index: number;
  readonly bytes: number;
  readonly owner: PciFunction;
  /** Word of its address in shared memory. */
  readonly place: number;
}

/** See the file's head. */
export class PciSpace {
  readonly #words: Int32Array;
  readonly #unsigned: Uint32Array;
  readonly #lock: SharedLock;
  readonly #functions: readonly PciFunction[];
  /** In the order in which they win addresses. */
  readonly #bars: readonly Bar[];
  /** Scratch of {@link #place}, by index in #bars: where each BAR has to be, 0 = nowhere. */
  readonly #wanted: Float64Array;
  /** Index in #bars of the BAR found last. */
  #last = 0;

  /**
   * @param shared from `createPci`
   * @param functions by slot: what this thread's accesses reach; undefined = a function without registers, or none
   */
  constructor(shared: SharedArrayBuffer, functions: readonly (PciFunction | undefined)[]) {
    this.#words = new Int32Array(shared);
    this.#unsigned = new Uint32Array(shared);
    this.#lock = new SharedLock(this.#words, PCI_LOCK);
    this.#functions = Array.from({ length: PCI_SLOTS }, (_, slot) => functions[slot] ?? INERT_FUNCTION);
    this.#bars = this.#listBars();
    this.#wanted = new Float64Array(this.#bars.length);
  }

  #listBars(): Bar[] {
    const bars: Bar[] = [];
    for (let slot = 0; slot < PCI_SLOTS; slot++) {
      for (let index = 0; index < PCI_STD_NUM_BARS; index++) {
        const bytes = u32At(this.#unsigned, sizeWord(slot, index));
        const owner = at(this.#functions, slot);
        if (bytes !== 0) bars.push({ slot, index, bytes, owner, place: placeWord(slot, index) });
      }
    }
    return bars;
  }

  /**
   * Reads configuration space. Hot path.
   * @param slot 0 ... 31 @param register 0 ... 255 @param bytes 1, 2 or 4
   * @returns unsigned; all ones if nobody is there, or the access is in two dwords
   */
  read(slot: number, register: number, bytes: number): number {
    const lane = register & 3;
    if (lane + bytes > 4) return ALL_ONES;
    const owner = at(this.#functions, slot);
    const dword =
      owner.dataRegister === register - lane
        ? owner.readData()
        : Atomics.load(this.#words, valueWord(slot, register));
    return laneOf(dword, lane, bytes);
  }

  /** Writes configuration space, as {@link read}; what cannot be written stays. */
  write(slot: number, register: number, bytes: number, value: number): void {
    const lane = register & 3;
    if (lane + bytes > 4) return;
    const mask = laneMask(lane, bytes) & i32At(this.#words, maskWord(slot, register));
    if (mask === 0) return;
    const owner = at(this.#functions, slot);
    const dword = this.#merge(slot, register - lane, mask, value << (8 * lane));
    // Outside the lock: it is an access to a device, which may take long.
    if (owner.dataRegister === register - lane) owner.writeData(dword);
  }

  /** Stores the bits of `mask`, with all that follows from it. @returns the whole register */
  #merge(slot: number, register: number, mask: number, value: number): number {
    const word = valueWord(slot, register);
    this.#lock.lock();
    let old = Atomics.load(this.#words, word);
    let next = (old & ~mask) | (value & mask);
    // Bits outside `mask` may change meanwhile: a device's interrupt status.
    for (;;) {
      const seen = Atomics.compareExchange(this.#words, word, old, next);
      if (seen === old) break;
      old = seen;
      next = (old & ~mask) | (value & mask);
    }
    if (old !== next) this.#changed(slot, register, old ^ next, next);
    this.#lock.unlock();
    return next;
  }

  /** Under the lock. @param bits that have changed */
  #changed(slot: number, register: number, bits: number, value: number): void {
    const command = register === PCI_COMMAND;
    if (command ? (bits & PCI_COMMAND_MEMORY) !== 0 : register >= PCI_BASE_ADDRESS_0 && register < BARS_END) {
      this.#place();
    }
    if (command || register >= PCI_STD_HEADER_SIZEOF)
      at(this.#functions, slot).configWritten(register, value);
  }

  /** Lets every BAR answer where the registers say. Under the lock. */
  #place(): void {
    const bars = this.#bars;
    for (let i = 0; i < bars.length; i++) this.#wanted[i] = this.#addressOf(i);
    // First away, then there: at no time do two BARs answer the same address.
    for (const [i, bar] of bars.entries()) {
      const now = u32At(this.#unsigned, bar.place);
      if (now === 0 || now === this.#wanted[i]) continue;
      Atomics.store(this.#unsigned, bar.place, 0);
      bar.owner.placed(bar.index, -1);
    }
    for (const [i, bar] of bars.entries()) {
      const wanted = this.#wanted[i] as number;
      if (u32At(this.#unsigned, bar.place) === wanted) continue;
      bar.owner.placed(bar.index, wanted);
      Atomics.store(this.#unsigned, bar.place, wanted);
    }
  }

  /** Where BAR `i` has to answer; the #wanted of those before it are known. 0 = nowhere. */
  #addressOf(i: number): number {
    const { slot, index, bytes } = at(this.#bars, i);
    if ((i32At(this.#words, valueWord(slot, PCI_COMMAND)) & PCI_COMMAND_MEMORY) === 0) return 0;
    const start = u32At(this.#unsigned, valueWord(slot, PCI_BASE_ADDRESS_0 + 4 * index));
    if (start < u32At(this.#unsigned, PCI_WINDOW_START)) return 0;
    if (start + bytes > u32At(this.#unsigned, PCI_WINDOW_END)) return 0;
    for (let j = 0; j < i; j++) {
      const other = this.#wanted[j] as number;
      if (other !== 0 && other < start + bytes && start < other + at(this.#bars, j).bytes) return 0;
    }
    return start;
  }

  /** Reads memory in a BAR. Hot path. @param gpa below 2^52 @returns all ones where no BAR answers the whole access */
  readMemory(gpa: number, bytes: number): number {
    const i = this.#find(gpa, bytes);
    if (i < 0) return ALL_ONES;
    const bar = at(this.#bars, i);
    const offset = gpa - Atomics.load(this.#unsigned, bar.place);
    // Moved this instant by another vCPU: as good as gone.
    if (offset < 0 || offset + bytes > bar.bytes) return ALL_ONES;
    return bar.owner.read(bar.index, offset, bytes);
  }

  /** Writes memory in a BAR, as {@link readMemory}. Hot path. */
  writeMemory(gpa: number, bytes: number, value: number): void {
    const i = this.#find(gpa, bytes);
    if (i < 0) return;
    const bar = at(this.#bars, i);
    const offset = gpa - Atomics.load(this.#unsigned, bar.place);
    if (offset < 0 || offset + bytes > bar.bytes) return;
    bar.owner.write(bar.index, offset, bytes, value);
  }

  #find(gpa: number, bytes: number): number {
    if (this.#bars.length === 0) return -1;
    if (this.#holds(this.#last, gpa, bytes)) return this.#last;
    for (let i = 0; i < this.#bars.length; i++) {
      if (!this.#holds(i, gpa, bytes)) continue;
      this.#last = i;
      return i;
    }
    return -1;
  }

  #holds(i: number, gpa: number, bytes: number): boolean {
    const bar = at(this.#bars, i);
    const start = Atomics.load(this.#unsigned, bar.place);
    return start !== 0 && gpa >= start && gpa + bytes <= start + bar.bytes;
  }

  /**
   * What a PC's firmware does, for guests that start without one: gives every BAR an address, in the order of the slots
   * from the window's start on, and switches memory on. Thread: main, before the guest starts.
   * Errors: InvariantError if the window is too small.
   */
  assignBars(): void {
    let next = u32At(this.#unsigned, PCI_WINDOW_START);
    for (const { slot, index, bytes } of this.#bars) {
      const align = Math.max(bytes, ASSIGN_ALIGN);
      const start = Math.ceil(next / align) * align;
      next = start + bytes;
      invariant(next <= u32At(this.#unsigned, PCI_WINDOW_END), 'the PCI window is too small for the BARs');
      this.write(slot, PCI_BASE_ADDRESS_0 + 4 * index, 4, start);
    }
    for (const { slot } of this.#bars) {
      this.write(slot, PCI_COMMAND, 2, this.read(slot, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY);
    }
  }
}
