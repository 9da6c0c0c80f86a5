/**
 * MSI-X of one function: the table, the pending bits, and when a vector's message is sent.
 *
 * A message is sent at once if MSI-X is on and neither the vector nor the function is masked. Otherwise its pending bit is
 * set, and it is sent when the masks have gone. KVM is told what a vector delivers only when the vector is unmasked and has
 * changed: replacing KVM's table is slow, and drivers write an entry in three or four steps.
 *
 * Spec: PCI Local Bus 3.0 sections 6.8.2, 6.8.3. Thread: any, one object per thread. The caller holds the function's lock.
 */
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_DATA,
  PCI_MSIX_ENTRY_LOWER_ADDR,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_UPPER_ADDR,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
} from '../../../abi/pci.js';
import { at, i32At } from '../../../util/typed.js';
import type { MsiRoutes, Signal } from '../trapped/ports.js';
import { entryWord, FN_CONTROL, FN_PENDING, FN_TABLE, FN_VECTORS, routeWord } from './words.js';

const SENDING = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
const ADDRESS_LOW = PCI_MSIX_ENTRY_LOWER_ADDR / 4;
const ADDRESS_HIGH = PCI_MSIX_ENTRY_UPPER_ADDR / 4;
const DATA = PCI_MSIX_ENTRY_DATA / 4;
const CONTROL = PCI_MSIX_ENTRY_VECTOR_CTRL / 4;

/** Where messages and routes go. */
export interface MsixPorts {
  readonly slot: number;
  /** By vector: what delivers its message. */
  readonly signals: readonly Signal[];
  readonly routes: MsiRoutes;
}

/** See the file's head. */
export class Msix {
  readonly #words: Int32Array;
  readonly #ports: MsixPorts;

  /** @param words of the function, see `words.ts` */
  constructor(words: Int32Array, ports: MsixPorts) {
    this.#words = words;
    this.#ports = ports;
  }

  /** Whether the function uses MSI-X, and not its line. */
  get enabled(): boolean {
    return (i32At(this.#words, FN_CONTROL) & PCI_MSIX_FLAGS_ENABLE) !== 0;
  }

  /** Number of vectors. */
  get vectors(): number {
    return i32At(this.#words, FN_VECTORS);
  }

  /** Sends a vector's message, or notes that it waits. Hot path. @param vector any; none beyond the table */
  send(vector: number): void {
    if (vector >= this.vectors) return;
    if (this.#sends(vector)) at(this.#ports.signals, vector).raise();
    else this.#words[FN_PENDING] = i32At(this.#words, FN_PENDING) | (1 << vector);
  }

  /** Message control was written. @param control ENABLE and MASKALL; other bits are ignored */
  setControl(control: number): void {
    this.#words[FN_CONTROL] = control & SENDING;
    if (this.enabled) for (let vector = 0; vector < this.vectors; vector++) this.#update(vector);
    else this.forget();
  }

  /** No interrupt waits any more. */
  forget(): void {
    this.#words[FN_PENDING] = 0;
  }

  /** A dword of the table. @param offset multiple of 4, from the table's start @returns signed; 0 behind its end */
  readTable(offset: number): number {
    return offset < this.vectors * PCI_MSIX_ENTRY_SIZE ? i32At(this.#words, FN_TABLE + offset / 4) : 0;
  }

  /** As {@link readTable}; takes effect at once. */
  writeTable(offset: number, value: number): void {
    if (offset >= this.vectors * PCI_MSIX_ENTRY_SIZE) return;
    const control = offset % PCI_MSIX_ENTRY_SIZE === PCI_MSIX_ENTRY_VECTOR_CTRL;
    this.#words[FN_TABLE + offset / 4] = control ? value & PCI_MSIX_ENTRY_CTRL_MASKBIT : value;
    this.#update(Math.floor(offset / PCI_MSIX_ENTRY_SIZE));
  }

  /** A dword of the pending bits. */
  readPending(offset: number): number {
    return offset === 0 ? i32At(this.#words, FN_PENDING) : 0;
  }

  #sends(vector: number): boolean {
    if ((i32At(this.#words, FN_CONTROL) & SENDING) !== PCI_MSIX_FLAGS_ENABLE) return false;
    return (i32At(this.#words, entryWord(vector) + CONTROL) & PCI_MSIX_ENTRY_CTRL_MASKBIT) === 0;
  }

  /** If the vector's messages are sent: first the route, then what waits. */
  #update(vector: number): void {
    if (!this.#sends(vector)) return;
    this.#route(vector);
    const pending = i32At(this.#words, FN_PENDING);
    if ((pending & (1 << vector)) === 0) return;
    this.#words[FN_PENDING] = pending & ~(1 << vector);
    at(this.#ports.signals, vector).raise();
  }

  #route(vector: number): void {
    const words = this.#words;
    const entry = entryWord(vector);
    const route = routeWord(vector);
    const low = i32At(words, entry + ADDRESS_LOW);
    const high = i32At(words, entry + ADDRESS_HIGH);
    const data = i32At(words, entry + DATA);
    if (low === words[route] && high === words[route + 1] && data === words[route + 2]) return;
    words[route] = low;
    words[route + 1] = high;
    words[route + 2] = data;
    this.#ports.routes.setMessage(this.#ports.slot, vector, low >>> 0, high >>> 0, data >>> 0);
  }
}
