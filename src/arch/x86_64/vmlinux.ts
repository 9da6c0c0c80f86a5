/**
 * ELF kernels without a header of another protocol: Linux's own `vmlinux`, entered as its decompressor would do it, by
 * the same state and parameters as the 64-bit and 32-bit entries of a bzImage.
 */
import {
  BOOT_PARAMS_HDR_BOOT_FLAG_OFF,
  BOOT_PARAMS_HDR_CMDLINE_SIZE_OFF,
  BOOT_PARAMS_HDR_HEADER_OFF,
  BOOT_PARAMS_HDR_LOADFLAGS_OFF,
  BOOT_PARAMS_HDR_VERSION_OFF,
  LINUX_BOOT_FLAG,
  LINUX_HEADER_MAGIC,
  LOADED_HIGH,
} from '../../abi/linux-boot.js';
import { hex } from '../../util/numbers.js';
import { writeDescriptorTable, writePageTables } from './boot-tables.js';
import { type ElfImage, loadElf } from './elf.js';
import { entryState } from './entry.js';
import { loadInitrd } from './initrd.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { COMMAND_LINE_BYTES, ZERO_PAGE } from './memory-map.js';
import { writeCommandLine, writeZeroPage } from './zero-page.js';

/** First address where an initrd of a kernel without a setup header must not reach: what headers of its time say. */
export const INITRD_LIMIT_32 = 0x3800_0000;
export const INITRD_LIMIT_64 = 0x8000_0000;
/** COMMAND_LINE_SIZE of Linux on x86, without the NUL. */
const COMMAND_LINE_MAX = Math.min(2047, COMMAND_LINE_BYTES - 1);
/** The protocol the zero page is written by. */
const PROTOCOL = 0x20c;

/** Loads an ELF kernel. Errors: StartError. */
export function loadVmlinux(context: LoadContext, image: ElfImage): LoadedGuest {
  const { memory, request } = context;
  const end = loadElf(context, image);
  const long = image.bits === 64;
  const initrd = loadInitrd(context, end, long ? INITRD_LIMIT_64 : INITRD_LIMIT_32);
  writeCommandLine(memory, request.boot.commandLine, COMMAND_LINE_MAX);
  const page = writeZeroPage(memory, request, new Uint8Array(0), initrd);
  page.setUint16(BOOT_PARAMS_HDR_BOOT_FLAG_OFF, LINUX_BOOT_FLAG, true);
  page.setUint32(BOOT_PARAMS_HDR_HEADER_OFF, LINUX_HEADER_MAGIC, true);
  page.setUint16(BOOT_PARAMS_HDR_VERSION_OFF, PROTOCOL, true);
  page.setUint8(BOOT_PARAMS_HDR_LOADFLAGS_OFF, LOADED_HIGH);
  page.setUint32(BOOT_PARAMS_HDR_CMDLINE_SIZE_OFF, COMMAND_LINE_MAX, true);
  writeDescriptorTable(memory, long);
  if (long) writePageTables(memory);
  return {
    entry: entryState(long ? 'long' : 'protected', { rip: image.entry, rsi: ZERO_PAGE }),
    extraRegions: [],
    description: `ELF kernel, ${image.bits}-bit entry at ${hex(image.entry)}, kernel ends at ${hex(end)}, initrd of ${initrd.bytes} bytes at ${hex(initrd.gpa)}`,
  };
}
