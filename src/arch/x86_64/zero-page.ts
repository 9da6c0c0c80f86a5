/** Linux's boot parameters (struct boot_params, the "zero page") and the command line. */
import { closeSync, openSync, readSync } from 'node:fs';
import {
  BOOT_E820_ADDR_OFF,
  BOOT_E820_BYTES,
  BOOT_E820_SIZE_OFF,
  BOOT_E820_TYPE_OFF,
  BOOT_PARAMS_ACPI_RSDP_ADDR_OFF,
  BOOT_PARAMS_BYTES,
  BOOT_PARAMS_E820_ENTRIES_OFF,
  BOOT_PARAMS_E820_TABLE_OFF,
  BOOT_PARAMS_HDR_CMD_LINE_PTR_OFF,
  BOOT_PARAMS_HDR_RAMDISK_IMAGE_OFF,
  BOOT_PARAMS_HDR_RAMDISK_SIZE_OFF,
  BOOT_PARAMS_HDR_SETUP_DATA_OFF,
  BOOT_PARAMS_HDR_SETUP_SECTS_OFF,
  BOOT_PARAMS_HDR_TYPE_OF_LOADER_OFF,
  BOOT_PARAMS_HDR_VID_MODE_OFF,
  LINUX_LOADER_UNDEFINED,
  LINUX_VID_MODE_NORMAL,
  SETUP_DATA_DATA_OFF,
  SETUP_DATA_LEN_OFF,
  SETUP_DATA_NEXT_OFF,
  SETUP_DATA_TYPE_OFF,
  SETUP_RNG_SEED,
} from '../../abi/linux-boot.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { StartError } from '../../util/errors.js';
import { setU64 } from '../../util/u64.js';
import { BOOT_DATA } from './boot-tables.js';
import { memoryMap } from './e820.js';
import { guestBytes, guestView, writeString } from './guest-bytes.js';
import type { LoadedInitrd } from './initrd.js';
import type { LoadRequest } from './load-request.js';
import { COMMAND_LINE, COMMAND_LINE_BYTES, ZERO_PAGE } from './memory-map.js';

/** Seed for the guest's random number generator, so that it need not wait for interrupts to collect one. */
const SEED_BYTES = 32;

/**
 * Writes the zero page, and behind the boot tables the seed it points to.
 * @param header the kernel's setup header, from its first field on; empty for a kernel without one
 * @returns the page, for more fields
 */
export function writeZeroPage(
  memory: GuestMemory,
  request: LoadRequest,
  header: Uint8Array,
  initrd: LoadedInitrd,
): DataView {
  const page = guestBytes(memory, ZERO_PAGE, BOOT_PARAMS_BYTES);
  page.fill(0);
  page.set(header, BOOT_PARAMS_HDR_SETUP_SECTS_OFF);
  const view = guestView(memory, ZERO_PAGE, BOOT_PARAMS_BYTES);
  const map = memoryMap(request.ramBytes);
  view.setUint8(BOOT_PARAMS_E820_ENTRIES_OFF, map.length);
  map.forEach((entry, i) => {
    const at = BOOT_PARAMS_E820_TABLE_OFF + i * BOOT_E820_BYTES;
    setU64(view, at + BOOT_E820_ADDR_OFF, entry.gpa);
    setU64(view, at + BOOT_E820_SIZE_OFF, entry.bytes);
    view.setUint32(at + BOOT_E820_TYPE_OFF, entry.type, true);
  });
  setU64(view, BOOT_PARAMS_ACPI_RSDP_ADDR_OFF, request.rsdp ?? 0);
  view.setUint8(BOOT_PARAMS_HDR_TYPE_OF_LOADER_OFF, LINUX_LOADER_UNDEFINED);
  view.setUint16(BOOT_PARAMS_HDR_VID_MODE_OFF, LINUX_VID_MODE_NORMAL, true);
  view.setUint32(BOOT_PARAMS_HDR_CMD_LINE_PTR_OFF, COMMAND_LINE, true);
  view.setUint32(BOOT_PARAMS_HDR_RAMDISK_IMAGE_OFF, initrd.gpa, true);
  view.setUint32(BOOT_PARAMS_HDR_RAMDISK_SIZE_OFF, initrd.bytes, true);
  setU64(view, BOOT_PARAMS_HDR_SETUP_DATA_OFF, writeSeed(memory));
  return view;
}

/** @returns address of the struct setup_data */
function writeSeed(memory: GuestMemory): number {
  const view = guestView(memory, BOOT_DATA, SETUP_DATA_DATA_OFF + SEED_BYTES);
  setU64(view, SETUP_DATA_NEXT_OFF, 0);
  view.setUint32(SETUP_DATA_TYPE_OFF, SETUP_RNG_SEED, true);
  view.setUint32(SETUP_DATA_LEN_OFF, SEED_BYTES, true);
  fillRandom(guestBytes(memory, BOOT_DATA + SETUP_DATA_DATA_OFF, SEED_BYTES));
  return BOOT_DATA;
}

/** Not by node:crypto: to load it takes a twentieth of a guest's start. Errors: those of node:fs. */
function fillRandom(bytes: Uint8Array): void {
  const fd = openSync('/dev/urandom', 'r');
  readSync(fd, bytes);
  closeSync(fd);
}

/**
 * Writes the command line at COMMAND_LINE.
 * @param limit most bytes the kernel takes, without the NUL Errors: StartError: nothing is ever cut off silently.
 */
export function writeCommandLine(memory: GuestMemory, text: string, limit: number): void {
  const bytes = Buffer.byteLength(text);
  const most = Math.min(limit, COMMAND_LINE_BYTES - 1);
  if (bytes > most) {
    throw new StartError(`the kernel command line has ${bytes} bytes, this kernel takes at most ${most}`);
  }
  writeString(memory, COMMAND_LINE, text);
}
