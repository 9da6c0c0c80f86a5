/** A PCI function: what it is (plain data, for its configuration space) and what it does (one object per thread). */
import { PCI_CAP_LIST_NEXT, PCI_STD_NUM_BARS } from '../../abi/pci.js';
import { invariant } from '../../util/errors.js';
import { ALL_ONES } from '../bus.js';

/** A 32-bit memory BAR, not prefetchable. */
export interface PciBarSpec {
  /** 0 ... 5 */
  readonly index: number;
  /** A power of two, 16 ... 2^30. */
  readonly bytes: number;
}

/** A capability. The pointer to the next one is filled in. */
export interface PciCapabilitySpec {
  /** The whole capability, from its id on; a multiple of 4 bytes. */
  readonly bytes: Uint8Array;
  /** Bits a guest may write, byte by byte; bytes past its end are read-only. */
  readonly writable: Uint8Array;
}

/** What a function shows in its configuration space. All ids 16 bits. */
export interface PciFunctionSpec {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** 8 bits. */
  readonly revision: number;
  /** Base class, sub-class, interface: 24 bits. */
  readonly classCode: number;
  /** 0 = it has no interrupt line, 1 = INTA#. */
  readonly interruptPin: number;
  /** GSI of the line: what a PC's firmware would write there. */
  readonly interruptLine: number;
  readonly bars: readonly PciBarSpec[];
  readonly capabilities: readonly PciCapabilitySpec[];
  /** Device-specific bytes that keep what is written. */
  readonly scratch: readonly { readonly register: number; readonly bytes: number }[];
}

/**
 * What a function does. Accesses come from a guest: nothing throws, nothing allocates. Calls may come from any thread, and
 * without a lock, except where said.
 */
export interface PciFunction {
  /** A dword register whose reads and writes the function makes itself; -1 = none. */
  readonly dataRegister: number;
  /** @param offset in the BAR; the whole access lies in it @param bytes 1, 2 or 4 */
  read(bar: number, offset: number, bytes: number): number;
  /** As {@link read}. */
  write(bar: number, offset: number, bytes: number, value: number): void;
  /** The BAR answers at `gpa` from now on; -1 = nowhere. The bus's lock is held. */
  placed(bar: number, gpa: number): void;
  /**
   * The command register or a register of a capability has changed. The bus's lock is held.
   * @param register multiple of 4 @param value the whole dword
   */
  configWritten(register: number, value: number): void;
  /** What {@link dataRegister} reads as: a dword. */
  readData(): number;
  /** {@link dataRegister} was written. @param value the whole dword, bytes not written as they were */
  writeData(value: number): void;
}

/** A function that does nothing, and what stands in an empty slot. */
export const INERT_FUNCTION: PciFunction = {
  dataRegister: -1,
  read: () => ALL_ONES,
  write: () => undefined,
  placed: () => undefined,
  configWritten: () => undefined,
  readData: () => ALL_ONES,
  writeData: () => undefined,
};

/** Offsets of the capabilities, laid out one after the other from `start` on; their links are written into `bytes`. */
export function layCapabilities(
  capabilities: readonly PciCapabilitySpec[],
  start: number,
): { readonly offset: number; readonly bytes: Uint8Array }[] {
  let offset = start;
  return capabilities.map(({ bytes }, i) => {
    invariant(bytes.length % 4 === 0, 'a PCI capability is a multiple of 4 bytes');
    const laid = { offset, bytes: Uint8Array.from(bytes) };
    offset += bytes.length;
    laid.bytes[PCI_CAP_LIST_NEXT] = i + 1 < capabilities.length ? offset : 0;
    return laid;
  });
}

/** Errors: InvariantError if a BAR is not possible. */
export function checkBar({ index, bytes }: PciBarSpec): void {
  const power = bytes >= 16 && bytes <= 0x4000_0000 && (bytes & (bytes - 1)) === 0;
  invariant(index >= 0 && index < PCI_STD_NUM_BARS && power, `BAR ${index} of ${bytes} bytes`);
}
