/**
 * What the MSI-X vectors of all PCI functions deliver. KVM has one table for all interrupts and replaces it as a whole;
 * so the messages are in shared words, and whoever changes one tells KVM all of them, under a lock.
 *
 * Each vector has a GSI of its own from the start, to which the machine binds an irqfd; a vector without a message delivers
 * nothing. Replacing the table waits until no vCPU looks at the old one, some 10 to 100 us: callers do it only when a
 * message in use has changed.
 */
import { KVM_IOAPIC_NUM_PINS } from '../abi/kvm-x86.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At, u32At } from '../util/typed.js';
import { GsiRouting } from './gsi-routing.js';
import type { Vm } from './vm.js';

// Words.
/** `SharedLock` of all of them, and of KVM's table. Writers: any thread. */
const LOCK = 0;
/** Number of vectors in all. Writer: main, once. */
const TOTAL = 1;
/** Messages that KVM has refused. Writers: any, under the lock. */
const REFUSED = 2;
/** By slot: index of its first vector; one more than slots, so that the next one's is its end. Writer: main, once. */
const FIRST = 4;
const SLOTS = 32;
/** By index: {@link MESSAGE_WORDS} each. Writers: any, under the lock. */
const MESSAGES = FIRST + SLOTS + 1;
/** 1 = there is a message; address low, address high, data. */
const MESSAGE_WORDS = 4;

/** Pins of the interrupt controllers in the table, at most. */
const PIN_ENTRIES = 2 * KVM_IOAPIC_NUM_PINS;

/**
 * Memory for the messages of all functions. Thread: main.
 * @param vectors by slot: how many vectors its function has; 0 = none. In all, KVM's table has room for some 4000.
 */
export function createMsiRoutes(vectors: readonly number[]): SharedArrayBuffer {
  const total = vectors.reduce((sum, count) => sum + count, 0);
  const shared = new SharedArrayBuffer((MESSAGES + total * MESSAGE_WORDS) * 4);
  const words = new Int32Array(shared);
  words[TOTAL] = total;
  let first = 0;
  for (let slot = 0; slot <= SLOTS; slot++) {
    words[FIRST + slot] = first;
    first += vectors[slot] ?? 0;
  }
  return shared;
}

/** See the file's head; the port `MsiRoutes` of virtio-pci. Thread: any, one object per thread. */
export class SharedMsiRoutes {
  readonly #words: Int32Array;
  readonly #unsigned: Uint32Array;
  readonly #lock: SharedLock;
  readonly #vm: Vm;
  /** This thread's copy, brought up to date under the lock. */
  readonly #routing: GsiRouting;

  /** @param shared from {@link createMsiRoutes} @param vm with in-kernel interrupt controllers, as a PC has them */
  constructor(shared: SharedArrayBuffer, vm: Vm) {
    this.#words = new Int32Array(shared);
    this.#unsigned = new Uint32Array(shared);
    this.#lock = new SharedLock(this.#words, LOCK);
    this.#vm = vm;
    this.#routing = new GsiRouting(PIN_ENTRIES + i32At(this.#words, TOTAL));
    this.#routing.addPcPins();
  }

  /** GSI of a vector: what its irqfd is bound to. @param vector one that the slot's function has */
  gsi(slot: number, vector: number): number {
    return this.#gsiAt(i32At(this.#words, FIRST + slot) + vector);
  }

  /** Messages that KVM has refused: a guest has made them up. */
  get refused(): number {
    return Atomics.load(this.#words, REFUSED);
  }

  /** Tells KVM the table as it is: without messages at first, which makes it a PC's. Thread: main. Errors: SysError. */
  install(): void {
    this.#lock.lock();
    try {
      this.#refresh();
      this.#vm.setRouting(this.#routing);
    } finally {
      this.#lock.unlock();
    }
  }

  /**
   * The vector delivers this from now on; nothing, if KVM refuses the message. A vector the function does not have is
   * ignored.
   * @param addressLow and the others: unsigned 32-bit, anything a guest wrote
   */
  setMessage(slot: number, vector: number, addressLow: number, addressHigh: number, data: number): void {
    const index = i32At(this.#words, FIRST + slot) + vector;
    if (index >= i32At(this.#words, FIRST + slot + 1)) return;
    const at = MESSAGES + index * MESSAGE_WORDS;
    this.#lock.lock();
    this.#words[at] = 1;
    this.#words[at + 1] = addressLow;
    this.#words[at + 2] = addressHigh;
    this.#words[at + 3] = data;
    this.#refresh();
    if (this.#vm.trySetRouting(this.#routing) < 0) {
      this.#words[at] = 0;
      Atomics.add(this.#words, REFUSED, 1);
      this.#refresh();
      this.#vm.trySetRouting(this.#routing);
    }
    this.#lock.unlock();
  }

  #gsiAt(index: number): number {
    return KVM_IOAPIC_NUM_PINS + index;
  }

  /** Copies all messages to this thread's table. Under the lock. */
  #refresh(): void {
    const words = this.#unsigned;
    for (let index = 0; index < u32At(words, TOTAL); index++) {
      const at = MESSAGES + index * MESSAGE_WORDS;
      const gsi = this.#gsiAt(index);
      if (u32At(words, at) === 0) this.#routing.clearMessage(gsi);
      else this.#routing.setMessage(gsi, u32At(words, at + 1), u32At(words, at + 2), u32At(words, at + 3));
    }
  }
}
