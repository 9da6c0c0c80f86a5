/**
 * PVH: an ELF kernel with a note that names a 32-bit physical entry point. Stock `vmlinux` files of Linux have one, and
 * so have FreeBSD and several unikernels.
 *
 * Spec: Xen's docs/misc/pvh.pandoc: protected mode, flat segments, no paging, EBX = start info.
 */
import {
  HVM_MEMMAP_ADDR_OFF,
  HVM_MEMMAP_BYTES,
  HVM_MEMMAP_SIZE_OFF,
  HVM_MEMMAP_TYPE_OFF,
  HVM_MODLIST_BYTES,
  HVM_MODLIST_PADDR_OFF,
  HVM_MODLIST_SIZE_OFF,
  HVM_START_BYTES,
  HVM_START_CMDLINE_PADDR_OFF,
  HVM_START_MAGIC_OFF,
  HVM_START_MEMMAP_ENTRIES_OFF,
  HVM_START_MEMMAP_PADDR_OFF,
  HVM_START_MODLIST_PADDR_OFF,
  HVM_START_NR_MODULES_OFF,
  HVM_START_RSDP_PADDR_OFF,
  HVM_START_VERSION_OFF,
  XEN_ELFNOTE_NAME,
  XEN_ELFNOTE_PHYS32_ENTRY,
  XEN_HVM_START_MAGIC_VALUE,
  XEN_HVM_START_VERSION,
} from '../../abi/pvh.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { hex } from '../../util/numbers.js';
import { setU64 } from '../../util/u64.js';
import { writeDescriptorTable } from './boot-tables.js';
import { memoryMap } from './e820.js';
import { type ElfImage, findNote, loadElf } from './elf.js';
import { entryState } from './entry.js';
import { guestView } from './guest-bytes.js';
import { type LoadedInitrd, loadInitrd } from './initrd.js';
import type { LoadContext, LoadedGuest, LoadRequest } from './load-request.js';
import { COMMAND_LINE, COMMAND_LINE_BYTES, ZERO_PAGE } from './memory-map.js';
import { INITRD_LIMIT_32, INITRD_LIMIT_64 } from './vmlinux.js';
import { writeCommandLine } from './zero-page.js';

const START_INFO = ZERO_PAGE;
const MODULES = START_INFO + 0x40;
const MEMORY_MAP = MODULES + HVM_MODLIST_BYTES;

/** The entry point of a PVH kernel; undefined if the file is not one. */
export function pvhEntry(context: LoadContext, image: ElfImage): number | undefined {
  return findNote(context.file, image, XEN_ELFNOTE_NAME, XEN_ELFNOTE_PHYS32_ENTRY);
}

/** Loads a PVH kernel. @param entry from {@link pvhEntry} Errors: StartError. */
export function loadPvh(context: LoadContext, image: ElfImage, entry: number): LoadedGuest {
  const { memory, request } = context;
  const end = loadElf(context, { ...image, entry });
  const initrd = loadInitrd(context, end, image.bits === 64 ? INITRD_LIMIT_64 : INITRD_LIMIT_32);
  writeCommandLine(memory, request.boot.commandLine, COMMAND_LINE_BYTES - 1);
  writeStartInfo(memory, request, initrd);
  writeDescriptorTable(memory, false);
  return {
    entry: entryState('protected', { rip: entry, rbx: START_INFO }),
    extraRegions: [],
    description: `PVH kernel, entry at ${hex(entry)}, kernel ends at ${hex(end)}, initrd of ${initrd.bytes} bytes at ${hex(initrd.gpa)}`,
  };
}

function writeStartInfo(memory: GuestMemory, request: LoadRequest, initrd: LoadedInitrd): void {
  const map = memoryMap(request.ramBytes);
  const info = guestView(memory, START_INFO, HVM_START_BYTES);
  info.setUint32(HVM_START_MAGIC_OFF, XEN_HVM_START_MAGIC_VALUE, true);
  info.setUint32(HVM_START_VERSION_OFF, XEN_HVM_START_VERSION, true);
  setU64(info, HVM_START_CMDLINE_PADDR_OFF, COMMAND_LINE);
  setU64(info, HVM_START_RSDP_PADDR_OFF, request.rsdp ?? 0);
  setU64(info, HVM_START_MEMMAP_PADDR_OFF, MEMORY_MAP);
  info.setUint32(HVM_START_MEMMAP_ENTRIES_OFF, map.length, true);
  if (initrd.bytes > 0) {
    info.setUint32(HVM_START_NR_MODULES_OFF, 1, true);
    setU64(info, HVM_START_MODLIST_PADDR_OFF, MODULES);
    const module = guestView(memory, MODULES, HVM_MODLIST_BYTES);
    setU64(module, HVM_MODLIST_PADDR_OFF, initrd.gpa);
    setU64(module, HVM_MODLIST_SIZE_OFF, initrd.bytes);
  }
  const view = guestView(memory, MEMORY_MAP, map.length * HVM_MEMMAP_BYTES);
  map.forEach((range, i) => {
    const at = i * HVM_MEMMAP_BYTES;
    setU64(view, at + HVM_MEMMAP_ADDR_OFF, range.gpa);
    setU64(view, at + HVM_MEMMAP_SIZE_OFF, range.bytes);
    view.setUint32(at + HVM_MEMMAP_TYPE_OFF, range.type, true);
  });
}
