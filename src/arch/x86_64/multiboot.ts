/**
 * Multiboot version 1: the format of kvm-unit-tests and of many small kernels. ELF, or any file whose header gives the
 * addresses itself.
 *
 * Spec: Multiboot Specification 0.6.96, sections 3.1 (header), 3.2 (machine state), 3.3 (boot information).
 */
import {
  MULTIBOOT_AOUT_KLUDGE,
  MULTIBOOT_BOOTLOADER_MAGIC,
  MULTIBOOT_HEADER_ADDRESSES_BYTES,
  MULTIBOOT_HEADER_ALIGN,
  MULTIBOOT_HEADER_BSS_END_ADDR_OFF,
  MULTIBOOT_HEADER_BYTES,
  MULTIBOOT_HEADER_CHECKSUM_OFF,
  MULTIBOOT_HEADER_ENTRY_ADDR_OFF,
  MULTIBOOT_HEADER_FLAGS_OFF,
  MULTIBOOT_HEADER_HEADER_ADDR_OFF,
  MULTIBOOT_HEADER_LOAD_ADDR_OFF,
  MULTIBOOT_HEADER_LOAD_END_ADDR_OFF,
  MULTIBOOT_HEADER_MAGIC,
  MULTIBOOT_INFO_BOOT_LOADER_NAME,
  MULTIBOOT_INFO_BOOT_LOADER_NAME_OFF,
  MULTIBOOT_INFO_BYTES,
  MULTIBOOT_INFO_CMDLINE,
  MULTIBOOT_INFO_CMDLINE_OFF,
  MULTIBOOT_INFO_FLAGS_OFF,
  MULTIBOOT_INFO_MEM_LOWER_OFF,
  MULTIBOOT_INFO_MEM_MAP,
  MULTIBOOT_INFO_MEM_UPPER_OFF,
  MULTIBOOT_INFO_MEMORY,
  MULTIBOOT_INFO_MMAP_ADDR_OFF,
  MULTIBOOT_INFO_MMAP_LENGTH_OFF,
  MULTIBOOT_INFO_MODS,
  MULTIBOOT_INFO_MODS_ADDR_OFF,
  MULTIBOOT_INFO_MODS_COUNT_OFF,
  MULTIBOOT_MEMORY_INFO,
  MULTIBOOT_MMAP_ADDR_OFF,
  MULTIBOOT_MMAP_BYTES,
  MULTIBOOT_MMAP_LEN_OFF,
  MULTIBOOT_MMAP_SIZE_OFF,
  MULTIBOOT_MMAP_TYPE_OFF,
  MULTIBOOT_MOD_BYTES,
  MULTIBOOT_MOD_CMDLINE_OFF,
  MULTIBOOT_MOD_END_OFF,
  MULTIBOOT_MOD_START_OFF,
  MULTIBOOT_PAGE_ALIGN,
  MULTIBOOT_SEARCH,
  MULTIBOOT_VIDEO_MODE,
} from '../../abi/multiboot.js';
import { StartError } from '../../util/errors.js';
import { hex } from '../../util/numbers.js';
import { setU64 } from '../../util/u64.js';
import { writeDescriptorTable } from './boot-tables.js';
import { lowRamEnd, memoryMap } from './e820.js';
import { isElf, loadElf, parseElf } from './elf.js';
import { entryState } from './entry.js';
import { guestView, writeString } from './guest-bytes.js';
import { type LoadedInitrd, loadInitrd } from './initrd.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { COMMAND_LINE, COMMAND_LINE_BYTES, EBDA, FOUR_GIB, HIGH_MEMORY, ZERO_PAGE } from './memory-map.js';
import { loadSegments } from './segments.js';

const INFO = ZERO_PAGE;
const MODULES = INFO + 0x80;
const MEMORY_MAP = MODULES + MULTIBOOT_MOD_BYTES;
const LOADER_NAME = 'lkvm';
/** What a header may ask for and gets. A video mode may be asked for; the information says that there is none. */
const KNOWN_FLAGS = MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO | MULTIBOOT_VIDEO_MODE;
/** Flags a loader has to know if they are set. */
const REQUIRED_FLAGS = 0xffff;

/** Offset of the multiboot header; -1 if there is none. @param head the file's first 8 KiB */
export function findMultiboot(head: Buffer): number {
  const end = Math.min(head.length, MULTIBOOT_SEARCH) - MULTIBOOT_HEADER_BYTES;
  for (let at = 0; at <= end; at += MULTIBOOT_HEADER_ALIGN) {
    if (head.readUInt32LE(at) !== MULTIBOOT_HEADER_MAGIC) continue;
    const flags = head.readUInt32LE(at + MULTIBOOT_HEADER_FLAGS_OFF);
    const checksum = head.readUInt32LE(at + MULTIBOOT_HEADER_CHECKSUM_OFF);
    if (((MULTIBOOT_HEADER_MAGIC + flags + checksum) & 0xffff_ffff) === 0) return at;
  }
  return -1;
}

/** Loads a multiboot kernel. @param at from {@link findMultiboot} Errors: StartError. */
export function loadMultiboot(context: LoadContext, at: number): LoadedGuest {
  const { file, head } = context;
  const flags = head.readUInt32LE(at + MULTIBOOT_HEADER_FLAGS_OFF);
  const unknown = flags & REQUIRED_FLAGS & ~KNOWN_FLAGS;
  if (unknown !== 0) {
    throw new StartError(
      `kernel ${file.path} cannot be started: its multiboot header asks for unknown things (flags ${hex(unknown)})`,
    );
  }
  const { entry, end } = loadImage(context, at, (flags & MULTIBOOT_AOUT_KLUDGE) !== 0);
  const initrd = loadInitrd(context, end, FOUR_GIB);
  writeInfo(context, initrd);
  writeDescriptorTable(context.memory, false);
  return {
    entry: entryState('protected', { rip: entry, rax: MULTIBOOT_BOOTLOADER_MAGIC, rbx: INFO }),
    extraRegions: [],
    description: `multiboot kernel, entry at ${hex(entry)}, kernel ends at ${hex(end)}, module of ${initrd.bytes} bytes at ${hex(initrd.gpa)}`,
  };
}

function loadImage(context: LoadContext, at: number, addresses: boolean): { entry: number; end: number } {
  const { file, head } = context;
  if (!addresses) {
    if (!isElf(head)) {
      throw new StartError(
        `kernel ${file.path} cannot be started: it has a multiboot header but is neither ELF nor are there addresses in the header`,
      );
    }
    const image = parseElf(file, head);
    return { entry: image.entry, end: loadElf(context, image) };
  }
  if (at + MULTIBOOT_HEADER_ADDRESSES_BYTES > head.length) {
    throw new StartError(`kernel ${file.path} cannot be started: its multiboot header is cut off`);
  }
  const field = (offset: number): number => head.readUInt32LE(at + offset);
  const gpa = field(MULTIBOOT_HEADER_LOAD_ADDR_OFF);
  // The header's own address says where in the file the load address is.
  const offset = at - (field(MULTIBOOT_HEADER_HEADER_ADDR_OFF) - gpa);
  const loadEnd = field(MULTIBOOT_HEADER_LOAD_END_ADDR_OFF);
  const fileBytes = loadEnd === 0 ? file.bytes - offset : loadEnd - gpa;
  const memoryBytes = Math.max(fileBytes, field(MULTIBOOT_HEADER_BSS_END_ADDR_OFF) - gpa);
  if (offset < 0 || offset > at || fileBytes <= 0) {
    throw new StartError(
      `kernel ${file.path} cannot be started: the addresses in its multiboot header contradict each other`,
    );
  }
  const entry = field(MULTIBOOT_HEADER_ENTRY_ADDR_OFF);
  return { entry, end: loadSegments(context, [{ gpa, offset, fileBytes, memoryBytes }], entry) };
}

function writeInfo(context: LoadContext, initrd: LoadedInitrd): void {
  const { memory, request, file } = context;
  const strings = new Strings(context);
  const info = guestView(memory, INFO, MULTIBOOT_INFO_BYTES);
  let flags = MULTIBOOT_INFO_MEMORY | MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MEM_MAP;
  flags |= MULTIBOOT_INFO_BOOT_LOADER_NAME;
  info.setUint32(MULTIBOOT_INFO_MEM_LOWER_OFF, EBDA / 1024, true);
  info.setUint32(MULTIBOOT_INFO_MEM_UPPER_OFF, (lowRamEnd(request.ramBytes) - HIGH_MEMORY) / 1024, true);
  // The first word is the kernel's name, as from any loader of this protocol: guests skip it.
  const commandLine = strings.add(`${file.path} ${request.boot.commandLine}`);
  info.setUint32(MULTIBOOT_INFO_CMDLINE_OFF, commandLine, true);
  info.setUint32(MULTIBOOT_INFO_BOOT_LOADER_NAME_OFF, strings.add(LOADER_NAME), true);
  if (initrd.bytes > 0) {
    flags |= MULTIBOOT_INFO_MODS;
    info.setUint32(MULTIBOOT_INFO_MODS_COUNT_OFF, 1, true);
    info.setUint32(MULTIBOOT_INFO_MODS_ADDR_OFF, MODULES, true);
    const module = guestView(memory, MODULES, MULTIBOOT_MOD_BYTES);
    module.setUint32(MULTIBOOT_MOD_START_OFF, initrd.gpa, true);
    module.setUint32(MULTIBOOT_MOD_END_OFF, initrd.gpa + initrd.bytes, true);
    module.setUint32(MULTIBOOT_MOD_CMDLINE_OFF, strings.add(request.boot.initrd ?? ''), true);
  }
  info.setUint32(MULTIBOOT_INFO_MMAP_LENGTH_OFF, writeMap(context), true);
  info.setUint32(MULTIBOOT_INFO_MMAP_ADDR_OFF, MEMORY_MAP, true);
  info.setUint32(MULTIBOOT_INFO_FLAGS_OFF, flags, true);
}

/** @returns size of the map in bytes */
function writeMap({ memory, request }: LoadContext): number {
  const map = memoryMap(request.ramBytes);
  const view = guestView(memory, MEMORY_MAP, map.length * MULTIBOOT_MMAP_BYTES);
  map.forEach((range, i) => {
    const at = i * MULTIBOOT_MMAP_BYTES;
    view.setUint32(at + MULTIBOOT_MMAP_SIZE_OFF, MULTIBOOT_MMAP_BYTES - 4, true);
    setU64(view, at + MULTIBOOT_MMAP_ADDR_OFF, range.gpa);
    setU64(view, at + MULTIBOOT_MMAP_LEN_OFF, range.bytes);
    view.setUint32(at + MULTIBOOT_MMAP_TYPE_OFF, range.type, true);
  });
  return view.byteLength;
}

/** Strings of the boot information, one after the other where the command line is. */
class Strings {
  readonly #context: LoadContext;
  #next = COMMAND_LINE;

  constructor(context: LoadContext) {
    this.#context = context;
  }

  /** @returns the string's address Errors: StartError if there is no more room. */
  add(text: string): number {
    const at = this.#next;
    if (at + Buffer.byteLength(text) >= COMMAND_LINE + COMMAND_LINE_BYTES) {
      throw new StartError(
        `the command line and the names of kernel and initrd have more than ${COMMAND_LINE_BYTES - 1} bytes`,
      );
    }
    this.#next += writeString(this.#context.memory, at, text);
    return at;
  }
}
