/**
 * ELF executables: reading their headers and loading their segments at their physical addresses.
 *
 * Every number in the file is checked before it is used: a file of any content ends in a loaded guest or in one line.
 */
import {
  EI_CLASS,
  EI_DATA,
  ELF_EHDR_MACHINE_OFF,
  ELF_MAGIC,
  ELF_NHDR_BYTES,
  ELF_NHDR_DESCSZ_OFF,
  ELF_NHDR_NAMESZ_OFF,
  ELF_NHDR_TYPE_OFF,
  ELF_PHDR_TYPE_OFF,
  ELF32_EHDR_BYTES,
  ELF32_EHDR_ENTRY_OFF,
  ELF32_EHDR_PHENTSIZE_OFF,
  ELF32_EHDR_PHNUM_OFF,
  ELF32_EHDR_PHOFF_OFF,
  ELF32_PHDR_ALIGN_OFF,
  ELF32_PHDR_BYTES,
  ELF32_PHDR_FILESZ_OFF,
  ELF32_PHDR_MEMSZ_OFF,
  ELF32_PHDR_OFFSET_OFF,
  ELF32_PHDR_PADDR_OFF,
  ELF64_EHDR_BYTES,
  ELF64_EHDR_ENTRY_OFF,
  ELF64_EHDR_PHENTSIZE_OFF,
  ELF64_EHDR_PHNUM_OFF,
  ELF64_EHDR_PHOFF_OFF,
  ELF64_PHDR_ALIGN_OFF,
  ELF64_PHDR_BYTES,
  ELF64_PHDR_FILESZ_OFF,
  ELF64_PHDR_MEMSZ_OFF,
  ELF64_PHDR_OFFSET_OFF,
  ELF64_PHDR_PADDR_OFF,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  EM_386,
  EM_X86_64,
  PT_LOAD,
  PT_NOTE,
} from '../../abi/elf.js';
import { StartError } from '../../util/errors.js';
import { alignUp } from '../../util/numbers.js';
import { getU64 } from '../../util/u64.js';
import type { ImageFile } from './image-file.js';
import type { LoadContext } from './load-request.js';
import { loadSegments, type Segment } from './segments.js';

/** A program header. Sizes and offsets in bytes. */
export interface ProgramHeader extends Segment {
  readonly type: number;
  readonly align: number;
}

/** What an ELF file's headers say. */
export interface ElfImage {
  readonly bits: 32 | 64;
  /** Where it is entered: a physical address for a kernel. */
  readonly entry: number;
  readonly headers: readonly ProgramHeader[];
}

/** Most bytes of notes that are looked through; a kernel has a few hundred. */
const NOTES_MAX = 0x1_0000;
const NOTE_ALIGN = 4;
const NOTE_ALIGN_8 = 8;

/** True if a file that begins like this is an ELF file. */
export function isElf(head: Buffer): boolean {
  return head.length >= ELF32_EHDR_BYTES && head.readUInt32LE(0) === ELF_MAGIC;
}

/** Reads the headers of a file that is ELF. Errors: StartError: not for x86, or cut off. */
export function parseElf(file: ImageFile, head: Buffer): ElfImage {
  const bits = head[EI_CLASS] === ELFCLASS32 ? 32 : 64;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (head.length < (bits === 32 ? ELF32_EHDR_BYTES : ELF64_EHDR_BYTES)) throw broken(file, 'it is cut off');
  const machine = view.getUint16(ELF_EHDR_MACHINE_OFF, true);
  const known =
    (head[EI_CLASS] === ELFCLASS32 && machine === EM_386) ||
    (head[EI_CLASS] === ELFCLASS64 && machine === EM_X86_64);
  if (!known || head[EI_DATA] !== ELFDATA2LSB) {
    throw broken(file, `it is ELF for another processor (e_machine ${machine}), not for x86`);
  }
  return {
    bits,
    entry: bits === 32 ? view.getUint32(ELF32_EHDR_ENTRY_OFF, true) : getU64(view, ELF64_EHDR_ENTRY_OFF),
    headers: bits === 32 ? headers32(file, view) : headers64(file, view),
  };
}

/** Loads the segments. @returns first address behind those below 4 GiB Errors: StartError. */
export function loadElf(context: LoadContext, image: ElfImage): number {
  const segments = image.headers.filter(({ type, memoryBytes }) => type === PT_LOAD && memoryBytes > 0);
  return loadSegments(context, segments, image.entry);
}

/**
 * The number in a note, 4 or 8 bytes wide; undefined if there is no such note.
 * @param name without its NUL
 */
export function findNote(file: ImageFile, image: ElfImage, name: string, type: number): number | undefined {
  for (const header of image.headers) {
    if (header.type !== PT_NOTE || header.offset + header.fileBytes > file.bytes) continue;
    const notes = file.part(header.offset, Math.min(header.fileBytes, NOTES_MAX));
    const found = findIn(notes, name, type, header.align === NOTE_ALIGN_8 ? NOTE_ALIGN_8 : NOTE_ALIGN);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findIn(notes: Buffer, name: string, type: number, align: number): number | undefined {
  for (let at = 0; at + ELF_NHDR_BYTES <= notes.length; ) {
    const nameBytes = notes.readUInt32LE(at + ELF_NHDR_NAMESZ_OFF);
    const bytes = notes.readUInt32LE(at + ELF_NHDR_DESCSZ_OFF);
    const nameAt = at + ELF_NHDR_BYTES;
    const description = alignUp(nameAt + nameBytes, align);
    if (description + bytes > notes.length) return undefined;
    const matches =
      notes.readUInt32LE(at + ELF_NHDR_TYPE_OFF) === type &&
      notes.toString('latin1', nameAt, nameAt + nameBytes) === `${name}\0`;
    if (matches && bytes === 4) return notes.readUInt32LE(description);
    if (matches && bytes === 8) return Number(notes.readBigUInt64LE(description));
    at = alignUp(description + bytes, align);
  }
  return undefined;
}

function headers32(file: ImageFile, ehdr: DataView): ProgramHeader[] {
  const table = headerTable(
    file,
    ehdr.getUint32(ELF32_EHDR_PHOFF_OFF, true),
    ehdr.getUint16(ELF32_EHDR_PHNUM_OFF, true),
    ehdr.getUint16(ELF32_EHDR_PHENTSIZE_OFF, true) === ELF32_PHDR_BYTES ? ELF32_PHDR_BYTES : 0,
  );
  return table.map((view) => ({
    type: view.getUint32(ELF_PHDR_TYPE_OFF, true),
    offset: view.getUint32(ELF32_PHDR_OFFSET_OFF, true),
    gpa: view.getUint32(ELF32_PHDR_PADDR_OFF, true),
    fileBytes: view.getUint32(ELF32_PHDR_FILESZ_OFF, true),
    memoryBytes: view.getUint32(ELF32_PHDR_MEMSZ_OFF, true),
    align: view.getUint32(ELF32_PHDR_ALIGN_OFF, true),
  }));
}

function headers64(file: ImageFile, ehdr: DataView): ProgramHeader[] {
  const table = headerTable(
    file,
    getU64(ehdr, ELF64_EHDR_PHOFF_OFF),
    ehdr.getUint16(ELF64_EHDR_PHNUM_OFF, true),
    ehdr.getUint16(ELF64_EHDR_PHENTSIZE_OFF, true) === ELF64_PHDR_BYTES ? ELF64_PHDR_BYTES : 0,
  );
  return table.map((view) => ({
    type: view.getUint32(ELF_PHDR_TYPE_OFF, true),
    offset: getU64(view, ELF64_PHDR_OFFSET_OFF),
    gpa: getU64(view, ELF64_PHDR_PADDR_OFF),
    fileBytes: getU64(view, ELF64_PHDR_FILESZ_OFF),
    memoryBytes: getU64(view, ELF64_PHDR_MEMSZ_OFF),
    align: getU64(view, ELF64_PHDR_ALIGN_OFF),
  }));
}

/** The program headers, one view each. @param bytes size of each; 0 = the file gives a wrong one */
function headerTable(file: ImageFile, offset: number, count: number, bytes: number): DataView[] {
  if (bytes === 0 || count === 0) throw broken(file, 'it is ELF without program headers: not an executable');
  if (offset + count * bytes > file.bytes) throw broken(file, 'its program headers are cut off');
  const table = file.part(offset, count * bytes);
  return Array.from(
    { length: count },
    (_, i) => new DataView(table.buffer, table.byteOffset + i * bytes, bytes),
  );
}

function broken(file: ImageFile, why: string): StartError {
  return new StartError(`kernel ${file.path} cannot be started: ${why}`);
}
