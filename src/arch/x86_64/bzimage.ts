/**
 * bzImage: Linux as distributions ship it. The real-mode code in front is skipped: the kernel starts at its 64-bit entry
 * if it has one, at its 32-bit entry otherwise, and finds what that code would have asked the BIOS for in the zero page.
 *
 * Spec: Documentation/arch/x86/boot.rst of the kernel, sections "The Real-Mode Kernel Header", "32-bit Boot Protocol",
 * "64-bit Boot Protocol".
 */
import {
  BOOT_PARAMS_EDD_MBR_SIG_BUFFER_OFF,
  BOOT_PARAMS_HDR_BOOT_FLAG_OFF,
  BOOT_PARAMS_HDR_CMDLINE_SIZE_OFF,
  BOOT_PARAMS_HDR_CODE32_START_OFF,
  BOOT_PARAMS_HDR_HEADER_OFF,
  BOOT_PARAMS_HDR_INIT_SIZE_OFF,
  BOOT_PARAMS_HDR_INITRD_ADDR_MAX_OFF,
  BOOT_PARAMS_HDR_JUMP_OFF,
  BOOT_PARAMS_HDR_KERNEL_ALIGNMENT_OFF,
  BOOT_PARAMS_HDR_LOADFLAGS_OFF,
  BOOT_PARAMS_HDR_PREF_ADDRESS_OFF,
  BOOT_PARAMS_HDR_RELOCATABLE_KERNEL_OFF,
  BOOT_PARAMS_HDR_SETUP_SECTS_OFF,
  BOOT_PARAMS_HDR_SYSSIZE_OFF,
  BOOT_PARAMS_HDR_VERSION_OFF,
  BOOT_PARAMS_HDR_XLOADFLAGS_OFF,
  KEEP_SEGMENTS,
  LINUX_BOOT_FLAG,
  LINUX_ENTRY_64,
  LINUX_HEADER_MAGIC,
  LINUX_SECTOR_BYTES,
  LINUX_SETUP_SECTS_DEFAULT,
  LOADED_HIGH,
  XLF_KERNEL_64,
} from '../../abi/linux-boot.js';
import { StartError } from '../../util/errors.js';
import { alignUp, hex } from '../../util/numbers.js';
import { getU64 } from '../../util/u64.js';
import { writeDescriptorTable, writePageTables } from './boot-tables.js';
import { lowRamEnd } from './e820.js';
import { entryState } from './entry.js';
import { mebibytes } from './guest-bytes.js';
import { loadInitrd } from './initrd.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { HIGH_MEMORY, HOLE_START, ZERO_PAGE } from './memory-map.js';
import { writeCommandLine, writeZeroPage } from './zero-page.js';

/** Bytes of the file that hold the whole setup header. */
export const BZIMAGE_HEAD_BYTES = BOOT_PARAMS_EDD_MBR_SIG_BUFFER_OFF;

/** Oldest protocol: the first with `cmdline_size`. */
const OLDEST_VERSION = 0x206;
/** The first with `pref_address` and `init_size`. */
const VERSION_INIT_SIZE = 0x20a;
/** The first with `xloadflags`. */
const VERSION_XLOADFLAGS = 0x20c;
/** An older kernel unpacks itself to about so many times its size. */
const UNPACK_FACTOR = 5;
const PARAGRAPH = 16;

/** The setup header's fields that decide how to load. Addresses and sizes in bytes. */
export interface BzimageHeader {
  readonly version: number;
  /** Real-mode code in front of the kernel. */
  readonly setupBytes: number;
  /** Protected-mode code as the header counts it; 0 = it does not say. */
  readonly codeBytes: number;
  readonly has64BitEntry: boolean;
  readonly relocatable: boolean;
  readonly alignment: number;
  /** Where the kernel wants to be; 0 = it does not say. */
  readonly preferred: number;
  /** Memory it needs from its place on, before it reads the memory map; 0 = it does not say. */
  readonly initBytes: number;
  /** Last address an initrd may have. */
  readonly initrdMax: number;
  /** Longest command line, without the NUL. */
  readonly commandLineMax: number;
  /** The header itself, for the zero page. */
  readonly raw: Uint8Array;
}

/** True if a file that begins like this is a bzImage. */
export function isBzimage(head: Buffer): boolean {
  return (
    head.length >= BZIMAGE_HEAD_BYTES &&
    head.readUInt16LE(BOOT_PARAMS_HDR_BOOT_FLAG_OFF) === LINUX_BOOT_FLAG &&
    head.readUInt32LE(BOOT_PARAMS_HDR_HEADER_OFF) === LINUX_HEADER_MAGIC
  );
}

/** Reads the header of a file that is a bzImage. Errors: StartError if the kernel is too old. */
export function parseBzimage(head: Buffer, path: string): BzimageHeader {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const version = view.getUint16(BOOT_PARAMS_HDR_VERSION_OFF, true);
  if (version < OLDEST_VERSION) {
    throw new StartError(`Too old kernel: ${path} has boot protocol ${dotted(version)}, 2.06 is needed`);
  }
  if ((view.getUint8(BOOT_PARAMS_HDR_LOADFLAGS_OFF) & LOADED_HIGH) === 0) {
    throw new StartError(`kernel ${path} is a zImage, which is loaded below 640 KiB; build a bzImage`);
  }
  const sectors = view.getUint8(BOOT_PARAMS_HDR_SETUP_SECTS_OFF) || LINUX_SETUP_SECTS_DEFAULT;
  const has = (since: number, value: number): number => (version >= since ? value : 0);
  // The byte in front of the magic is the second of a short jump behind the header: it says where that ends.
  const headerEnd = BOOT_PARAMS_HDR_HEADER_OFF + view.getUint8(BOOT_PARAMS_HDR_JUMP_OFF + 1);
  return {
    version,
    setupBytes: (sectors + 1) * LINUX_SECTOR_BYTES,
    codeBytes: view.getUint32(BOOT_PARAMS_HDR_SYSSIZE_OFF, true) * PARAGRAPH,
    has64BitEntry:
      (has(VERSION_XLOADFLAGS, view.getUint16(BOOT_PARAMS_HDR_XLOADFLAGS_OFF, true)) & XLF_KERNEL_64) !== 0,
    relocatable: view.getUint8(BOOT_PARAMS_HDR_RELOCATABLE_KERNEL_OFF) !== 0,
    alignment: view.getUint32(BOOT_PARAMS_HDR_KERNEL_ALIGNMENT_OFF, true) || 1,
    preferred: has(VERSION_INIT_SIZE, getU64(view, BOOT_PARAMS_HDR_PREF_ADDRESS_OFF)),
    initBytes: has(VERSION_INIT_SIZE, view.getUint32(BOOT_PARAMS_HDR_INIT_SIZE_OFF, true)),
    initrdMax: view.getUint32(BOOT_PARAMS_HDR_INITRD_ADDR_MAX_OFF, true),
    commandLineMax: view.getUint32(BOOT_PARAMS_HDR_CMDLINE_SIZE_OFF, true),
    raw: head.subarray(BOOT_PARAMS_HDR_SETUP_SECTS_OFF, Math.min(headerEnd, BZIMAGE_HEAD_BYTES)),
  };
}

/** Where a kernel goes, and the end of the memory that it needs for itself. */
export interface Placement {
  readonly load: number;
  readonly end: number;
}

/**
 * A relocatable kernel goes where it wants to run, others to 1 MiB, from where they move themselves.
 * @param bytes size of the protected-mode part of the file
 */
export function placeBzimage(header: BzimageHeader, bytes: number): Placement {
  const load = header.relocatable && header.preferred >= HIGH_MEMORY ? header.preferred : HIGH_MEMORY;
  const wanted = header.preferred >= HIGH_MEMORY ? header.preferred : HIGH_MEMORY;
  const runtime = header.relocatable ? alignUp(load, header.alignment) : wanted;
  const needed = header.initBytes === 0 ? bytes * UNPACK_FACTOR : header.initBytes;
  return { load, end: Math.max(load + bytes, runtime + needed) };
}

/** Loads a bzImage with its initrd and command line. Errors: StartError. */
export function loadBzimage(context: LoadContext): LoadedGuest {
  const { file, memory, request } = context;
  const header = parseBzimage(context.head, file.path);
  const bytes = file.bytes - header.setupBytes;
  if (bytes < PARAGRAPH || bytes + PARAGRAPH < header.codeBytes) {
    const wanted = header.setupBytes + Math.max(header.codeBytes, PARAGRAPH);
    throw new StartError(`kernel ${file.path} is cut off: it has ${file.bytes} bytes of ${wanted}`);
  }
  const { load, end } = placeBzimage(header, bytes);
  if (end > lowRamEnd(request.ramBytes)) throw new StartError(tooBig(file.path, end, request.ramBytes));
  file.load(memory, load, header.setupBytes, bytes);
  const initrd = loadInitrd(context, end, header.initrdMax + 1);
  writeCommandLine(memory, request.boot.commandLine, header.commandLineMax);
  const page = writeZeroPage(memory, request, header.raw, initrd);
  page.setUint32(BOOT_PARAMS_HDR_CODE32_START_OFF, load, true);
  page.setUint8(BOOT_PARAMS_HDR_LOADFLAGS_OFF, page.getUint8(BOOT_PARAMS_HDR_LOADFLAGS_OFF) & ~KEEP_SEGMENTS);
  const long = header.has64BitEntry;
  writeDescriptorTable(memory, long);
  if (long) writePageTables(memory);
  const rip = long ? load + LINUX_ENTRY_64 : load;
  return {
    entry: entryState(long ? 'long' : 'protected', { rip, rsi: ZERO_PAGE }),
    extraRegions: [],
    description: `bzImage, protocol ${dotted(header.version)}, ${long ? 64 : 32}-bit entry at ${hex(rip)}, kernel needs ${hex(load)} ... ${hex(end)}, initrd of ${initrd.bytes} bytes at ${hex(initrd.gpa)}`,
  };
}

function tooBig(path: string, end: number, ramBytes: number): string {
  const needs = `kernel ${path} needs memory up to ${hex(end)}`;
  if (end > HOLE_START) return `${needs}; guests have RAM in one piece up to ${hex(HOLE_START)}`;
  return `${needs}: give the guest at least ${mebibytes(end)} with -m (it has ${mebibytes(ramBytes)})`;
}

function dotted(version: number): string {
  return `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`;
}
