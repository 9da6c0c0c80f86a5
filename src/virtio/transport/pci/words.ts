/**
 * Shared memory of one virtio-pci function, beside its configuration space and its device registers: everything about
 * interrupts. All words are written under {@link FN_LOCK}, by any thread.
 */
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
} from '../../../abi/pci.js';
import { VIRTIO_MSI_NO_VECTOR } from '../../../abi/virtio-pci.js';
import { createDeviceRegisters, MAX_QUEUES } from '../trapped/words.js';

/** Vectors of a function at most. One word holds their pending bits. */
export const MAX_VECTORS = MAX_QUEUES + 1;

/** `SharedLock`. Held across the signals an access causes, so that none is sent after a mask was read back. */
export const FN_LOCK = 0;
/** Number of vectors. Writer: main, once. */
export const FN_VECTORS = 1;
/** MSI-X message control: ENABLE and MASKALL, as in configuration space. */
export const FN_CONTROL = 2;
/** 1 = the command register keeps the interrupt line down. */
export const FN_LINE_DISABLED = 3;
/** Level of the line as last shown, 0 or 1. */
export const FN_LINE = 4;
/** Bit per vector: an interrupt that waits for its mask to go. */
export const FN_PENDING = 5;
/** Vector of configuration changes, VIRTIO_MSI_NO_VECTOR = none. */
export const FN_CONFIG_VECTOR = 6;
/** Vectors of the queues, a word each. */
export const FN_QUEUE_VECTORS = 8;
/** MSI-X table: four words per vector, as the guest sees them. */
export const FN_TABLE = FN_QUEUE_VECTORS + MAX_QUEUES;
const ENTRY_WORDS = PCI_MSIX_ENTRY_SIZE / 4;
/** What each vector's route delivers: address low, address high, data. All 0 = there is no route. */
const FN_ROUTES = FN_TABLE + MAX_VECTORS * ENTRY_WORDS;
const ROUTE_WORDS = 3;
const TOTAL_WORDS = FN_ROUTES + MAX_VECTORS * ROUTE_WORDS;

/** First word of a vector's table entry. */
export function entryWord(vector: number): number {
  return FN_TABLE + vector * ENTRY_WORDS;
}

/** First word of a vector's route. */
export function routeWord(vector: number): number {
  return FN_ROUTES + vector * ROUTE_WORDS;
}

/** Everything the halves of a virtio-pci device share. Plain data: it is sent to the workers. */
export interface VirtioPciShared {
  /** From `createPci`. */
  readonly pci: SharedArrayBuffer;
  readonly slot: number;
  /** From `createDeviceRegisters`. */
  readonly registers: SharedArrayBuffer;
  /** The words above. */
  readonly words: SharedArrayBuffer;
}

/**
 * State of a function after power-on: all vectors masked, none assigned. Thread: main.
 * @param vectors 1 ... MAX_VECTORS, as in the function's MSI-X capability
 */
export function createVirtioPci(pci: SharedArrayBuffer, slot: number, vectors: number): VirtioPciShared {
  const shared = new SharedArrayBuffer(TOTAL_WORDS * 4);
  const words = new Int32Array(shared);
  words[FN_VECTORS] = vectors;
  words.fill(VIRTIO_MSI_NO_VECTOR, FN_CONFIG_VECTOR, FN_TABLE);
  for (let vector = 0; vector < MAX_VECTORS; vector++) {
    words[entryWord(vector) + PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
  }
  return { pci, slot, registers: createDeviceRegisters(), words: shared };
}
