/**
 * Where the configuration space of all functions lies in its shared memory. Everything is 32-bit words.
 *
 * Reads take no lock: a register is one word. Writes merge under {@link PCI_LOCK}; bits that a device shows by itself
 * (the interrupt status) are set and cleared by atomic operations beside it, so a merge is a compare-and-exchange.
 */
import { PCI_CFG_SPACE_SIZE, PCI_STD_NUM_BARS } from '../../abi/pci.js';

/** Slots of a bus. */
export const PCI_SLOTS = 32;

/** `SharedLock` of configuration writes and of where BARs are. Writers: any thread. */
export const PCI_LOCK = 0;
/** Address register of mechanism #1 (port 0xcf8). Writer: vCPU. */
export const PCI_ADDRESS = 1;
/** First address of the host bridge's memory window. Writer: main, once. */
export const PCI_WINDOW_START = 2;
/** First address behind it. Writer: main, once. */
export const PCI_WINDOW_END = 3;
const HEADER_WORDS = 16;

/** Words of a slot: values (writers: any, under the lock or atomic) and writable bits (writer: main, once). */
const REGISTER_WORDS = PCI_CFG_SPACE_SIZE / 4;
/** Sizes of the BARs in bytes, 0 = there is none. Writer: main, once. */
const BAR_SIZES = 2 * REGISTER_WORDS;
/** Where BARs answer: gpa, 0 = nowhere. Writers: any thread, under the lock. Readers: any. */
const BAR_PLACES = BAR_SIZES + PCI_STD_NUM_BARS;
const SLOT_WORDS = BAR_PLACES + PCI_STD_NUM_BARS;

/** Bytes of the shared memory. */
export const PCI_SHARED_BYTES = (HEADER_WORDS + PCI_SLOTS * SLOT_WORDS) * 4;

/** Word of a register's value. @param register multiple of 4, 0 ... 252 (lower bits are ignored) */
export function valueWord(slot: number, register: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS + (register >>> 2);
}

/** Word of a register's writable bits. */
export function maskWord(slot: number, register: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS + REGISTER_WORDS + (register >>> 2);
}

/** Word of a BAR's size. */
export function sizeWord(slot: number, bar: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS + BAR_SIZES + bar;
}

/** Word of the address where a BAR answers. */
export function placeWord(slot: number, bar: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS + BAR_PLACES + bar;
}
