/**
 * The descriptor table and page tables that an entry in protected or long mode starts with. The guest replaces them by
 * its own as soon as it can.
 *
 * Spec: Intel SDM volume 3, sections 3.4.5 (segment descriptors) and 4.5 (4-level paging).
 */
import { LINUX_BOOT_CS, LINUX_BOOT_DS } from '../../abi/linux-boot.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { guestBytes, guestView } from './guest-bytes.js';
import { BOOT_TABLES } from './memory-map.js';

const PAGE = 0x1000;
const ENTRY_BYTES = 8;
const DIRECTORIES = 4; // 1 GiB each
const LARGE_PAGE = 0x20_0000;
/** Present and writable. */
const TABLE_FLAGS = 0x3;
/** Present, writable, 2 MiB. */
const LARGE_FLAGS = 0x83;

/** The top level; behind it one page of pointers and {@link DIRECTORIES} page directories. */
export const PAGE_TABLES = BOOT_TABLES;
const POINTERS = PAGE_TABLES + PAGE;
const FIRST_DIRECTORY = POINTERS + PAGE;
/** Global descriptor table. */
export const GDT_ADDRESS = FIRST_DIRECTORY + DIRECTORIES * PAGE;
export const GDT_BYTES = 5 * ENTRY_BYTES;
/** Selector of a task state segment that nothing uses. */
export const BOOT_TASK_SELECTOR = 0x20;
/** Free for what a boot protocol hangs into its parameters, up to the end of the page. */
export const BOOT_DATA = GDT_ADDRESS + 0x100;

/** Flat segments of 4 GiB, accessed bit set. The code is 64-bit or 32-bit. */
const CODE_64 = 0x00af_9b00_0000_ffffn;
const CODE_32 = 0x00cf_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const TASK = 0x0000_8b00_0000_0067n;

/** Writes the descriptor table. @param long the code segment is a 64-bit one Errors: StartError (no RAM there). */
export function writeDescriptorTable(memory: GuestMemory, long: boolean): void {
  guestBytes(memory, GDT_ADDRESS, GDT_BYTES).fill(0);
  const view = guestView(memory, GDT_ADDRESS, GDT_BYTES);
  view.setBigUint64(LINUX_BOOT_CS, long ? CODE_64 : CODE_32, true);
  view.setBigUint64(LINUX_BOOT_DS, DATA, true);
  view.setBigUint64(BOOT_TASK_SELECTOR, TASK, true);
}

/** Maps the first 4 GiB one to one by pages of 2 MiB, which every 64-bit processor has. Errors: StartError. */
export function writePageTables(memory: GuestMemory): void {
  const bytes = (2 + DIRECTORIES) * PAGE;
  guestBytes(memory, PAGE_TABLES, bytes).fill(0);
  const view = guestView(memory, PAGE_TABLES, bytes);
  view.setUint32(0, POINTERS | TABLE_FLAGS, true);
  for (let i = 0; i < DIRECTORIES; i++) {
    view.setUint32(PAGE + i * ENTRY_BYTES, (FIRST_DIRECTORY + i * PAGE) | TABLE_FLAGS, true);
  }
  for (let i = 0; i < (DIRECTORIES * PAGE) / ENTRY_BYTES; i++) {
    view.setUint32(2 * PAGE + i * ENTRY_BYTES, i * LARGE_PAGE + LARGE_FLAGS, true);
  }
}
