/** The map of physical memory that every loader gives to its guest, in the form its protocol wants. */
import { E820_RAM, E820_RESERVED } from '../../abi/linux-boot.js';
import {
  EBDA,
  FIRMWARE_TABLES,
  FIRMWARE_TABLES_BYTES,
  FOUR_GIB,
  HIGH_MEMORY,
  IDENTITY_MAP,
  PCI_ECAM,
  PCI_ECAM_BYTES,
  ramRanges,
  VGA_HOLE,
} from './memory-map.js';

/** A range of physical memory. Addresses and sizes in bytes. */
export interface MemoryMapEntry {
  readonly gpa: number;
  readonly bytes: number;
  /** E820_RAM or E820_RESERVED. */
  readonly type: number;
}

/** End of RAM below 4 GiB. @param ramBytes RAM of the guest */
export function lowRamEnd(ramBytes: number): number {
  return ramRanges(ramBytes)[0]?.bytes ?? 0;
}

/**
 * The map, sorted by address, without overlaps.
 *
 * The ECAM window is in it because Linux uses it only if it is reserved; the last pages below 4 GiB belong to KVM (its
 * task state and identity map on Intel) and to firmware.
 * @param ramBytes RAM of the guest, multiple of 4096
 */
export function memoryMap(ramBytes: number): MemoryMapEntry[] {
  const map: MemoryMapEntry[] = [];
  const add = (type: number, gpa: number, end: number): void => {
    if (end > gpa) map.push({ gpa, bytes: end - gpa, type });
  };
  const lowEnd = lowRamEnd(ramBytes);
  add(E820_RAM, 0, Math.min(EBDA, lowEnd));
  add(E820_RESERVED, EBDA, VGA_HOLE);
  add(E820_RESERVED, FIRMWARE_TABLES, FIRMWARE_TABLES + FIRMWARE_TABLES_BYTES);
  add(E820_RAM, HIGH_MEMORY, lowEnd);
  add(E820_RESERVED, PCI_ECAM, PCI_ECAM + PCI_ECAM_BYTES);
  add(E820_RESERVED, IDENTITY_MAP, FOUR_GIB);
  for (const range of ramRanges(ramBytes).slice(1)) add(E820_RAM, range.gpa, range.gpa + range.bytes);
  return map;
}
